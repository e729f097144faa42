"""A look at the bytes of one DICOM file before a library reads it.

The library takes memory for the length that an element claims, up to 4 GiB, before it finds that
the file is shorter. Here every claim is compared with the file first.
"""

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
MAX_FILE_BYTES = 2**28
"""A slice of 4096 x 4096 takes 2^25."""

_MAGIC, _MAGIC_AT = b"DICM", 128
_FIRST_BYTES = 2**14  # hold the first group
_STORAGE_CLASS, _TRANSFER_SYNTAX, _PIXELS = (0x0002, 0x0002), (0x0002, 0x0010), (0x7FE0, 0x0010)
_ITEM_GROUP = 0xFFFE
_LONG_FORM = set(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_FORM = set(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split(),
)
_UNDEFINED = 0xFFFFFFFF


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

    The walk ends at compressed pixels.

    Raises:
        UserError: The file cannot be read, or an element claims more bytes than follow.
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
            block, start = inflated.decompress(block[start:], MAX_FILE_BYTES), 0
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


def _walk(block: bytes, at: int, transfer_syntax: str) -> None:
    while any(block[at:]):  # zeros may fill a file up
        element = _read(block, at, transfer_syntax)
        if element.length == _UNDEFINED and (
            element.tag == _PIXELS or element.representation == b"UN"
        ):
            return  # pieces of compressed pixels, or elements written in another form
        steps_in = element.representation == b"SQ" or element.tag[0] == _ITEM_GROUP
        steps_in = steps_in or element.length == _UNDEFINED
        at = element.start if steps_in else element.end


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
