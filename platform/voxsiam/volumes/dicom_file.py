"""A look at the bytes of one DICOM file before a library reads it.

The library takes memory for the length that an element claims, up to 4 GiB, before it finds that
the file is shorter. Here every claim is compared with the file first.
"""

import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import UserError

IMPLICIT, BIG_ENDIAN, DEFLATED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
_COMPRESSED = ("5", *(f"4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)))
TRANSFER_SYNTAXES = {IMPLICIT, BIG_ENDIAN, DEFLATED} | {
    f"{IMPLICIT}.{ending}" for ending in ("1", *_COMPRESSED)
}
MAX_FILE_BYTES, MAX_INFLATED_BYTES = 2**28, 2**26
"""A slice of 4096 x 4096 takes 2^25."""

MAX_ELEMENTS, MAX_DEPTH = 20_000, 64
"""Scanners write hundreds, in sequences three or four deep. The library falls over at depth 20,000
and takes the process with it."""

_MAGIC, _MAGIC_AT = b"DICM", 128
_FIRST_BYTES = 2**14  # hold the first group
_STORAGE_CLASS, _TRANSFER_SYNTAX, _PIXELS = (0x0002, 0x0002), (0x0002, 0x0010), (0x7FE0, 0x0010)
_ITEM_GROUP = 0xFFFE
_LONG_FORM = set(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_FORM = set(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split(),
)
_UNDEFINED = 0xFFFFFFFF
_DELIMITERS = {(_ITEM_GROUP, 0xE00D), (_ITEM_GROUP, 0xE0DD)}
_ENDLESS = sys.maxsize


def is_dicom(path: Path) -> bool:
    """Tell whether a file begins as DICOM files do."""
    try:
        with path.open("rb") as stream:
            return stream.read(_MAGIC_AT + 4)[_MAGIC_AT:] == _MAGIC
    except OSError:
        return False


def storage_class(path: Path) -> str:
    """Read what kind of object a DICOM file holds: an identifier of the standard.

    Returns:
        An empty text where the file does not say it.

    Raises:
        UserError: The file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            _, values = _first_group(stream.read(_FIRST_BYTES))
    except (OSError, ValueError):
        raise damaged(path) from None
    return values.get(_STORAGE_CLASS, "")


def check_file(path: Path) -> None:
    """Walk over the elements of a file; sequences are walked through, not skipped.

    Raises:
        UserError: The file cannot be read, an element claims more bytes than follow, or there are
            more elements, or deeper sequences, than a slice has.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError("larger than any slice")
        block = path.read_bytes()
        start, values = _first_group(block)
        transfer_syntax = values.get(_TRANSFER_SYNTAX)
        if transfer_syntax not in TRANSFER_SYNTAXES:
            raise ValueError("no way of writing pixels that the standard names")
        if transfer_syntax == DEFLATED:
            inflated = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            block, start = inflated.decompress(block[start:], MAX_INFLATED_BYTES), 0
            if inflated.unconsumed_tail:
                raise ValueError("larger than any slice")
        _walk(block, start, transfer_syntax)
    except (OSError, ValueError, zlib.error):
        raise damaged(path) from None


def damaged(path: Path) -> UserError:
    """Say that a file is not whole."""
    return UserError(
        "The DICOM file is damaged or cut short.", where=str(path), fix="copy or export it again"
    )


@dataclass(frozen=True)
class _Element:
    tag: tuple[int, int]
    representation: bytes
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


def _first_group(block: bytes) -> tuple[int, dict[tuple[int, int], str]]:
    """Read the group that is always written one way; return where it ends, and its texts."""
    at, found = _MAGIC_AT + len(_MAGIC), dict[tuple[int, int], str]()
    while block[at : at + 2] == b"\2\0":
        element = _read(block, at, "")
        if element.tag in {_STORAGE_CLASS, _TRANSFER_SYNTAX}:
            text = block[element.start : element.end].decode("ascii", "replace")
            found[element.tag] = text.strip("\0 ")
        at = element.end
    return at, found


@dataclass(frozen=True)
class _Part:
    """What the walk is in: the file, a sequence, an item of one, or the pieces of its pixels.

    Attributes:
        end: Where it ends; _ENDLESS where a delimiter or the end of the file ends it.
        transfer_syntax: How its elements are written.
        holds_pieces: Its items hold compressed pixels, not more elements.
    """

    end: int
    transfer_syntax: str
    holds_pieces: bool = False


def _walk(block: bytes, at: int, transfer_syntax: str) -> None:
    inside = [_Part(_ENDLESS, transfer_syntax)]
    end = len(block.rstrip(b"\0"))  # zeros may fill a file up
    for _ in range(MAX_ELEMENTS):
        while at >= inside[-1].end:
            inside.pop()
        if at >= end:
            return
        element = _read(block, at, inside[-1].transfer_syntax)
        part = _part(element, inside[-1])
        at = element.end if part is None else element.start
        if element.tag in _DELIMITERS:
            at = element.start
            if len(inside) > 1 and inside[-1].end == _ENDLESS:
                inside.pop()
        elif part is not None:
            inside.append(part)
        if len(inside) > MAX_DEPTH:
            raise ValueError("sequences inside sequences without end")
    raise ValueError("more elements than a slice has")


def _part(element: _Element, around: _Part) -> _Part | None:
    """Tell what an element opens; None where it holds a plain value."""
    endless = element.length == _UNDEFINED
    end = _ENDLESS if endless else element.end
    if around.holds_pieces and not endless:
        return None
    if endless and element.tag == _PIXELS:
        return _Part(end, around.transfer_syntax, holds_pieces=True)
    if endless and element.representation == b"UN":
        return _Part(end, IMPLICIT)
    if endless or element.representation == b"SQ" or element.tag[0] == _ITEM_GROUP:
        return _Part(end, around.transfer_syntax)
    return None


def _read(block: bytes, at: int, transfer_syntax: str) -> _Element:
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
    element = _Element((group, number), representation, start, length)
    claims = length != _UNDEFINED or (size == 2 and length > 0)
    if start > len(block) or (claims and element.end > len(block)):
        raise ValueError("an element claims more than there is")
    return element
