"""What a page says, apart from the bytes that say it: its texts, its links, and its charts."""

import base64
import hashlib
import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from html.parser import HTMLParser
from typing import Any

import numpy as np

from voxsiam_dashboards.evidence.check import MISSING, Check, Mismatch, alike

_SHOWN = ("href", "src", "id", "class", "style", "title", "alt", "open")
_CHART = "Plotly.newPlot("
_PICTURE = "data:"
_CLOSE = 1e-6
_MOST_NAMED = 20


class PageContent(HTMLParser):
    """Takes a page apart.

    Attributes:
        tokens: Texts and attributes in the order of the page; of long ones their SHA-256.
        charts: Traces and layout of each chart, by its place.

    Pictures and scripts that lie in the page are compared by its bytes alone.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tokens: list[str] = []
        self.charts: dict[str, Any] = {}
        self._inside = ""
        self._held: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag with what it shows, and begin a script."""
        self._inside, self._held = tag, []
        self.tokens.append(f"<{tag}>")
        for name, value in attrs:
            is_picture = name == "src" and (value or "").startswith(_PICTURE)
            if not is_picture and (name in _SHOWN or name.startswith("on")):
                self.tokens.append(f"{name}={value}")

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if self._inside == "script":
            self._held.append(data)
        elif data.strip():
            text = " ".join(data.split())
            if self._inside == "style":
                text = f"SHA-256 {hashlib.sha256(text.encode()).hexdigest()}"
            self.tokens.append(text)

    def handle_endtag(self, tag: str) -> None:
        """Note a script that is whole."""
        if tag == "script" and self._held:
            self._script("".join(self._held))
        self._inside = ""

    def _script(self, text: str) -> None:
        at = text.find(_CHART)
        if at < 0 or "plotly.js v" in text[:200]:
            return
        decoder, rest = json.JSONDecoder(), text[at + len(_CHART) :].lstrip()
        parts: list[Any] = []
        while rest and len(parts) < 3:
            value, end = decoder.raw_decode(rest)
            parts.append(value)
            rest = rest[end:].lstrip().removeprefix(",").lstrip()
        name, traces, layout = parts
        layout.pop("template", None)
        self.charts[name] = {"data": traces, "layout": layout}


def compare_texts(where: str, expected: PageContent, found: PageContent, check: Check) -> None:
    """Compare what two pages say, in the order in which they say it."""
    ours, theirs = expected.tokens, found.tokens
    check.count += len(ours)
    start, end = _common(ours, theirs)
    middle = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    changes = SequenceMatcher(None, *middle, autojunk=False).get_opcodes()
    for _, a, b, c, d in [change for change in changes if change[0] != "equal"][:_MOST_NAMED]:
        said = [t for t in ours[: start + a] if not t.startswith(("<", "class="))]
        texts = (" ".join(part)[:160] or MISSING for part in (middle[0][a:b], middle[1][c:d]))
        what = f"text after '{said[-1]:.60}'" if said else "text at the start"
        check.mismatches.append(Mismatch(where, what, *texts))


def _common(ours: list[str], theirs: list[str]) -> tuple[int, int]:
    """Count how many tokens two pages have alike from the start, and then from the end."""
    shorter = min(len(ours), len(theirs))
    start = next((n for n in range(shorter) if ours[n] != theirs[n]), shorter)
    rest = range(shorter - start)
    return start, next((n for n in rest if ours[-n - 1] != theirs[-n - 1]), shorter - start)


def compare_charts(
    where: str, expected: PageContent, found: PageContent, check: Check, left_out: tuple[str, ...]
) -> None:
    """Compare the data and layout of charts, figure by figure.

    Args:
        left_out: Charts that another machine computes otherwise in their last digits.
    """
    for name in dict.fromkeys((*expected.charts, *found.charts)):
        if name.removeprefix("chart-") in left_out:
            continue
        check.count += 1
        pair = expected.charts.get(name, MISSING), found.charts.get(name, MISSING)
        for place, ours, theirs in list(_differences(name, *pair))[:_MOST_NAMED]:
            shown = f"{_first(ours, theirs)!s:.160}", f"{_first(theirs, ours)!s:.160}"
            check.mismatches.append(Mismatch(where, place, *shown))


def _differences(place: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    """Walk through two trees and yield the leaves that differ."""
    if ours is theirs:
        return
    ours, theirs = _decoded(ours), _decoded(theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in dict.fromkeys((*ours, *theirs)):
            pair = ours.get(name, MISSING), theirs.get(name, MISSING)
            yield from _differences(f"{place}.{name}", *pair)
    elif _has_trees(ours) and _has_trees(theirs) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(f"{place}[{index}]", *pair)
    elif not _alike(ours, theirs):
        yield place, ours, theirs


def _decoded(value: Any) -> Any:  # noqa: ANN401
    """Turn an array as plotly packs it into numbers."""
    if isinstance(value, dict) and "bdata" in value:
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()
    return value


def _has_trees(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _alike(ours: Any, theirs: Any) -> bool:  # noqa: ANN401
    if ours == theirs:
        return True
    if isinstance(ours, list) and isinstance(theirs, list):
        same_length = len(ours) == len(theirs)
        return same_length and all(_alike(*pair) for pair in zip(ours, theirs, strict=True))
    return alike(ours, theirs, _CLOSE)


def _first(ours: Any, theirs: Any) -> Any:  # noqa: ANN401
    """Return the first figure of two lists that differs, else the value itself."""
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next((f"{a} (number {n})" for n, (a, b) in pairs if not _alike(a, b)), ours)
    return ours
