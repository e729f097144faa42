"""Synthetic abdominal CTs, the embedded default data."""
