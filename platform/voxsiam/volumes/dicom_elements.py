"""The elements of a DICOM file's bytes: every length that one claims is compared with the file."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT, BIG_ENDIAN, DEFLATED = (f"{IMPLICIT}.{ending}" for ending in ("1", "2", "1.99"))

MAX_ELEMENTS, MAX_DEPTH = 20_000, 64
"""Scanners write hundreds, in sequences three or four deep. The library falls over at depth 20,000
and takes the process with it."""

STORAGE_CLASS, TRANSFER_SYNTAX, PIXELS = (0x0002, 0x0002), (0x0002, 0x0010), (0x7FE0, 0x0010)

_LONG_FORM = set(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_FORM = set(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())

_ITEM_GROUP = 0xFFFE
_DELIMITERS = {(_ITEM_GROUP, 0xE00D), (_ITEM_GROUP, 0xE0DD)}
_UNDEFINED, _ENDLESS = 0xFFFFFFFF, sys.maxsize


def names_values(block: bytes) -> bool:
    """Tell whether elements say how their values are represented (explicit VR)."""
    return block[4:6] in _SHORT_FORM | _LONG_FORM


@dataclass(frozen=True)
class Element:
    """A tag and where its value lies.

    Attributes:
        representation: How the value is written; empty where the file does not say it.
        end: Where the next one begins, as claimed; _ENDLESS where a delimiter says it.
    """

    tag: tuple[int, int]
    representation: bytes
    start: int
    end: int


@dataclass(frozen=True)
class _Part:
    """What the walk is in: the file, a sequence, an item of one, or the pieces of its pixels.

    Attributes:
        end: Where it ends; _ENDLESS where a delimiter or the end of the file ends it.
        holds_pieces: Its items hold compressed pixels, not more elements.
    """

    end: int
    transfer_syntax: str
    holds_pieces: bool = False


def walk_elements(block: bytes, at: int, transfer_syntax: str) -> Iterator[tuple[Element, int]]:
    """Give each element and how deep it lies, 1 outermost.

    Raises:
        ValueError: One is broken, they are too many, or lie too deep.
    """
    inside = [_Part(_ENDLESS, transfer_syntax)]
    end = len(block.rstrip(b"\0"))  # zeros may fill a file up
    for _ in range(MAX_ELEMENTS):
        if at >= end:
            return
        while at >= inside[-1].end:
            inside.pop()
        element = read_element(block, at, inside[-1].transfer_syntax)
        yield element, len(inside)
        if element.tag in _DELIMITERS:
            at = element.start
            if len(inside) > 1 and inside[-1].end == _ENDLESS:
                inside.pop()
        elif part := _part(element, inside[-1]):
            at = element.start
            inside.append(part)
        else:
            at = element.end
        if len(inside) > MAX_DEPTH:
            raise ValueError("sequences inside sequences without end")
    raise ValueError("more elements than a slice has")


def _part(element: Element, around: _Part) -> _Part | None:
    """Tell what an element opens; None where it holds a plain value."""
    endless = element.end == _ENDLESS
    if around.holds_pieces and not endless:
        return None
    if endless and element.tag == PIXELS:
        return _Part(_ENDLESS, around.transfer_syntax, holds_pieces=True)
    if endless and element.representation == b"UN":
        return _Part(_ENDLESS, IMPLICIT)
    if endless or element.representation == b"SQ" or element.tag[0] == _ITEM_GROUP:
        return _Part(element.end, around.transfer_syntax)
    return None


def read_element(block: bytes, at: int, transfer_syntax: str) -> Element:
    """Read the head of an element.

    Raises:
        ValueError: It is none, or it claims more bytes than there are.
    """
    order = "big" if transfer_syntax == BIG_ENDIAN else "little"
    group, number = (int.from_bytes(block[at + i : at + i + 2], order) for i in (0, 2))
    representation = b"" if transfer_syntax == IMPLICIT else block[at + 4 : at + 6]
    if group == _ITEM_GROUP or not representation:
        representation, first, size = b"", at + 4, 4
    elif representation in _LONG_FORM:
        first, size = at + 8, 4
    elif representation in _SHORT_FORM:
        first, size = at + 6, 2
    else:
        raise ValueError("no such representation of values")
    start = first + size
    length = int.from_bytes(block[first:start], order)
    end = _ENDLESS if length == _UNDEFINED else start + length
    if start > len(block) or len(block) < end < _ENDLESS:
        raise ValueError("an element claims more than there is")
    return Element((group, number), representation, start, end)
