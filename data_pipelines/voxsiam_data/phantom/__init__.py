"""Synthetic abdominal CTs: drawn or real organ shapes, painted with measured CT appearance."""
