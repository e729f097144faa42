"""A look at the bytes of one DICOM file before a library reads it.

The library takes memory for the length that an element claims, up to 4 GiB, before it finds that
the file is shorter. Here every claim is compared with the file first.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from voxsiam.errors import UserError, refusal
from voxsiam.volumes.dicom_elements import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    STORAGE_CLASS,
    TRANSFER_SYNTAX,
    Element,
    names_values,
    read_element,
    walk_elements,
)

_COMPRESSED = ("5", *(f"4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)))
TRANSFER_SYNTAXES = {IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED}
TRANSFER_SYNTAXES |= {f"{IMPLICIT}.{ending}" for ending in _COMPRESSED}
MAX_FILE_BYTES, MAX_INFLATED_BYTES = 2**28, 2**26
"""A slice of 4096 x 4096 takes 2^25."""

Content = Literal["DICOM", "empty", "all zeros", "cut short", "no DICOM"]
"""What the bytes of a file are, as far as its beginning tells; in words for people."""

_MAGIC, _MAGIC_AT = b"DICM", 128
_GZIP = b"\x1f\x8b"
_FIRST_TAGS = {(0x0002, 0x0000), (0x0002, 0x0001)} | {
    (0x0008, number) for number in (0x0000, 0x0001, 0x0005, 0x0008, 0x0012, 0x0016)
}
"""With which the files begin that lack the preamble: written by hand, or by old archives."""

_LONGEST_FIRST = 1024  # bytes of such an element
_FIRST_BYTES = 2**14  # hold the first group
_SERIES = (0x0020, 0x000E)


def content_of(path: Path) -> Content:
    """Tell what a file holds: DICOM, gzipped or not, with its preamble or without, or why not."""
    try:
        with path.open("rb") as stream:
            block = stream.read(_FIRST_BYTES)
        if not any(block):
            return "all zeros" if block else "empty"
        block = _start_unpacked(block)
    except (OSError, zlib.error):
        return "no DICOM"
    if _start_of(block) is not None:
        return "DICOM"
    return "cut short" if len(block) < _MAGIC_AT + len(_MAGIC) else "no DICOM"


def is_dicom(path: Path) -> bool:
    """Tell whether a file begins as DICOM files do."""
    return content_of(path) == "DICOM"


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


def _start_unpacked(block: bytes) -> bytes:
    if not block.startswith(_GZIP):
        return block
    return zlib.decompressobj(wbits=31).decompress(block, _FIRST_BYTES)


def _start_of(block: bytes) -> int | None:
    """Tell where the first element stands: behind the preamble, or at the very beginning."""
    if block[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC:
        return _MAGIC_AT + len(_MAGIC)
    tag = (int.from_bytes(block[:2], "little"), int.from_bytes(block[2:4], "little"))
    if tag not in _FIRST_TAGS or len(block) < 8:
        return None
    size = slice(6, 8) if names_values(block) else slice(4, 8)
    return 0 if int.from_bytes(block[size], "little") <= _LONGEST_FIRST else None


def storage_class(path: Path) -> str:
    """Read what kind of object a DICOM file holds: an identifier of the standard, or nothing."""
    try:
        with path.open("rb") as stream:
            block = _start_unpacked(stream.read(_FIRST_BYTES))
        _, values = _first_group(block)
    except (OSError, ValueError, zlib.error):
        raise damaged(path) from None
    return values.get(STORAGE_CLASS, "")


def check_file(path: Path) -> None:
    """Walk over the elements of a file; sequences are walked through, not skipped.

    Raises:
        UserError: The file cannot be read, an element claims more bytes than follow, or there are
            more elements, or deeper sequences, than a slice has.
    """
    for _ in _elements_of(path):
        pass


def series_of(path: Path) -> str:
    """Read to which series a file belongs: an identifier to be compared, never shown; or nothing.

    On the way it is refused as by `check_file`.
    """
    for element, block in _elements_of(path):
        if element.tag == _SERIES:
            return block[element.start : element.end].decode("ascii", "replace").strip("\0 ")
    return ""


def _elements_of(path: Path) -> Iterator[tuple[Element, bytes]]:
    """Walk over a file, and give its outermost elements with the bytes that they lie in."""
    try:
        block = _content(path)
        start, values = _first_group(block)
        guessed = EXPLICIT if names_values(block[start:]) else IMPLICIT
        transfer_syntax = values.get(TRANSFER_SYNTAX) or guessed
        if transfer_syntax not in TRANSFER_SYNTAXES:
            raise ValueError("no way of writing pixels that the standard names")
        if transfer_syntax == DEFLATED:
            inflated = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            block, start = inflated.decompress(block[start:], MAX_INFLATED_BYTES), 0
            if inflated.unconsumed_tail:
                raise ValueError("larger than any slice")
        for element, depth in walk_elements(block, start, transfer_syntax):
            if depth == 1:
                yield element, block
    except (OSError, ValueError, zlib.error):
        raise damaged(path) from None


def damaged(path: Path) -> UserError:
    """Say that a file is not whole."""
    return refusal(path, "The DICOM file is damaged or cut short.", "copy or export it again")


def _first_group(block: bytes) -> tuple[int, dict[tuple[int, int], str]]:
    """Read the group that is always written one way; return where it ends, and its texts."""
    found = dict[tuple[int, int], str]()
    at = _start_of(block)
    if at is None:
        raise ValueError("no DICOM")
    while block[at : at + 2] == b"\2\0":
        element = read_element(block, at, "")
        if element.tag in {STORAGE_CLASS, TRANSFER_SYNTAX}:
            text = block[element.start : element.end].decode("ascii", "replace")
            found[element.tag] = text.strip("\0 ")
        at = element.end
    return at, found
