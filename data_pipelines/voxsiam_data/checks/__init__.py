"""What ruins studies, found before a GPU hour is spent: one module a noun."""

CHECKS_VERSION = 2
"""Raised whenever a check refuses more than before: prepared volumes are then checked again."""
