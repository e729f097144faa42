"""A look at the bytes of one DICOM file before a library reads it.

The library takes memory for the length that an element claims, up to 4 GiB, before it finds that
the file is shorter. Here every claim is compared with the file first.
"""

import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

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

Content = Literal["dicom", "empty", "zeros", "short", "other"]
"""What the bytes of a file are, as far as its beginning tells."""

_MAGIC, _MAGIC_AT = b"DICM", 128
_GZIP = b"\x1f\x8b"
_FIRST_TAGS = {(0x0002, 0x0000), (0x0002, 0x0001)} | {
    (0x0008, number) for number in (0x0000, 0x0001, 0x0005, 0x0008, 0x0012, 0x0016)
}
"""With which the files begin that lack the preamble: written by hand, or by old archives."""

_LONGEST_FIRST = 1024  # bytes of such an element
_FIRST_BYTES = 2**14  # hold the first group
_STORAGE_CLASS, _TRANSFER_SYNTAX, _PIXELS = (0x0002, 0x0002), (0x0002, 0x0010), (0x7FE0, 0x0010)
_SERIES = (0x0020, 0x000E)
_ITEM_GROUP = 0xFFFE
_LONG_FORM = set(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_FORM = set(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split(),
)
_UNDEFINED = 0xFFFFFFFF
_DELIMITERS = {(_ITEM_GROUP, 0xE00D), (_ITEM_GROUP, 0xE0DD)}
_ENDLESS = sys.maxsize


def content_of(path: Path) -> Content:
    """Tell what a file holds: DICOM, gzipped or not, with its preamble or without, or why not."""
    try:
        with path.open("rb") as stream:
            block = stream.read(_FIRST_BYTES)
            if not any(block):
                return "zeros" if block else "empty"
            block = _unzipped(block, _FIRST_BYTES) if block.startswith(_GZIP) else block
    except (OSError, zlib.error):
        return "other"
    if _start_of(block) is not None:
        return "dicom"
    return "short" if len(block) < _MAGIC_AT + len(_MAGIC) else "other"


def is_dicom(path: Path) -> bool:
    """Tell whether a file begins as DICOM files do."""
    return content_of(path) == "dicom"


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Give the path of a file that a library can read: of a gzipped one, a copy that passes away.

    Raises:
        UserError: The gzipped file is damaged, or larger than any slice.
    """
    with path.open("rb") as stream:
        is_packed = stream.read(len(_GZIP)) == _GZIP
    if not is_packed:
        yield path
        return
    with TemporaryDirectory(prefix="voxsiam-") as folder:  # for its owner alone
        copy = Path(folder) / "slice"
        try:
            copy.write_bytes(_content(path))
        except (OSError, ValueError, zlib.error):
            raise damaged(path) from None
        yield copy


def _content(path: Path) -> bytes:
    """Read a file, unpacked where it is gzipped."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError("larger than any slice")
    block = path.read_bytes()
    if not block.startswith(_GZIP):
        return block
    plain = bytearray()
    while block:
        unpacker = zlib.decompressobj(wbits=31)
        plain += unpacker.decompress(block, MAX_INFLATED_BYTES + 1 - len(plain))
        if len(plain) > MAX_INFLATED_BYTES:
            raise ValueError("larger than any slice")
        if not unpacker.eof:
            raise ValueError("cut short")
        block = unpacker.unused_data
    return bytes(plain)


def _unzipped(block: bytes, most: int) -> bytes:
    """Unpack the beginning of a gzipped file."""
    return zlib.decompressobj(wbits=31).decompress(block, most)


def _start_of(block: bytes) -> int | None:
    """Tell where the first element stands: behind the preamble, or at the very beginning."""
    if block[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC:
        return _MAGIC_AT + len(_MAGIC)
    tag = (int.from_bytes(block[:2], "little"), int.from_bytes(block[2:4], "little"))
    if tag not in _FIRST_TAGS or len(block) < 8:
        return None
    size = slice(6, 8) if _names_values(block) else slice(4, 8)
    return 0 if int.from_bytes(block[size], "little") <= _LONGEST_FIRST else None


def _names_values(block: bytes) -> bool:
    """Tell whether elements say how their values are represented (explicit VR)."""
    return block[4:6] in _SHORT_FORM | _LONG_FORM


def storage_class(path: Path) -> str:
    """Read what kind of object a DICOM file holds: an identifier of the standard.

    Returns:
        An empty text where the file does not say it.

    Raises:
        UserError: The file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            block = stream.read(_FIRST_BYTES)
        block = _unzipped(block, _FIRST_BYTES) if block.startswith(_GZIP) else block
        _, values = _first_group(block)
    except (OSError, ValueError, zlib.error):
        raise damaged(path) from None
    return values.get(_STORAGE_CLASS, "")


def check_file(path: Path) -> None:
    """Walk over the elements of a file; sequences are walked through, not skipped.

    Raises:
        UserError: The file cannot be read, an element claims more bytes than follow, or there are
            more elements, or deeper sequences, than a slice has.
    """
    for _ in _elements_of(path):
        pass


def series_of(path: Path) -> str:
    """Read to which series a file belongs: an identifier, to be compared and never shown.

    Returns:
        An empty text where the file does not say it.

    Raises:
        UserError: The file cannot be read.
    """
    for element, block in _elements_of(path):
        if element.tag == _SERIES:
            return block[element.start : element.end].decode("ascii", "replace").strip("\0 ")
    return ""


def _elements_of(path: Path) -> "Iterator[tuple[_Element, bytes]]":
    """Walk over a file, and give its outermost elements with the bytes that they lie in."""
    try:
        block = _content(path)
        start, values = _first_group(block)
        transfer_syntax = values.get(_TRANSFER_SYNTAX) or _guessed_syntax(block[start:])
        if transfer_syntax not in TRANSFER_SYNTAXES:
            raise ValueError("no way of writing pixels that the standard names")
        if transfer_syntax == DEFLATED:
            inflated = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            block, start = inflated.decompress(block[start:], MAX_INFLATED_BYTES), 0
            if inflated.unconsumed_tail:
                raise ValueError("larger than any slice")
        for element, depth in _walk(block, start, transfer_syntax):
            if depth == 1:
                yield element, block
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
    found = dict[tuple[int, int], str]()
    at = _start_of(block)
    if at is None:
        raise ValueError("no DICOM")
    while block[at : at + 2] == b"\2\0":
        element = _read(block, at, "")
        if element.tag in {_STORAGE_CLASS, _TRANSFER_SYNTAX}:
            text = block[element.start : element.end].decode("ascii", "replace")
            found[element.tag] = text.strip("\0 ")
        at = element.end
    return at, found


def _guessed_syntax(block: bytes) -> str:
    """Tell how elements are written in a file that does not say it."""
    return f"{IMPLICIT}.1" if _names_values(block) else IMPLICIT


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


def _walk(block: bytes, at: int, transfer_syntax: str) -> "Iterator[tuple[_Element, int]]":
    """Give each element and how deep it lies, 1 outermost."""
    inside = [_Part(_ENDLESS, transfer_syntax)]
    end = len(block.rstrip(b"\0"))  # zeros may fill a file up
    for _ in range(MAX_ELEMENTS):
        while at >= inside[-1].end:
            inside.pop()
        if at >= end:
            return
        element = _read(block, at, inside[-1].transfer_syntax)
        yield element, len(inside)
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
