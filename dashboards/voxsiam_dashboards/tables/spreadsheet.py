"""Texts for spreadsheets: none becomes a formula, and figures stay as they are."""

import re

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?%?"
_FIGURE = re.compile(
    rf"-|[+-]?(inf|nan)|{_NUMBER}( ± {_NUMBER})?( \[{_NUMBER}, {_NUMBER}\]\*?)?", re.ASCII
)
"""A dash, a number, and one with its spread or interval: `+0.083 [+0.012, +0.154]*`."""


def defused(text: str) -> str:
    """Keep a spreadsheet from reading a text as a formula; a signed figure is none."""
    if _FIGURE.fullmatch(text) or not text.lstrip(" ").startswith(_FORMULA_STARTS):
        return text
    return f"'{text}"
