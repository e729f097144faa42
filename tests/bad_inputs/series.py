"""B10: one DICOM series, given to `voxsiam predict`."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np

from tests.bad_inputs.row import Row, Suite
from tests.dicom_files import (
    BIG,
    DEFLATED,
    ENHANCED_CT,
    IMPLICIT,
    INTERCEPT,
    SLOPE,
    SOP_CLASS,
    write_series,
    write_slice,
)
from tests.nifti_files import phantom_ct, ras_affine, reoriented

IMAGE, _ = phantom_ct((21, 18, 17))
AFFINE = ras_affine((0.7, 0.8, 2.5), (-10, 20, 30))
VOLUME = IMAGE.transpose(2, 1, 0)
DEEP = 20_000
"""Sequences inside sequences: the library that reads DICOM crashes at this depth."""


def sound(folder: Path) -> None:
    write_series(folder / "ct", VOLUME, AFFINE)


def again(volume=VOLUME, affine=AFFINE, **options):
    def change(folder):
        shutil.rmtree(folder / "ct")
        write_series(folder / "ct", volume, affine, **options)

    return change


def tilted():
    affine = AFFINE.copy()
    affine[1, 2] = 2.5 * np.tan(np.radians(15))
    return affine


def mirrored():
    """Rows and columns that run the other way: cosines of -1."""
    stored, affine = reoriented(IMAGE, AFFINE, (0, 1, 2), (-1, -1, -1))
    return stored.transpose(2, 1, 0), affine


def missing(folder):
    (folder / "ct" / "IM0008").unlink()


def doubled(folder):
    shutil.copy(folder / "ct" / "IM0008", folder / "ct" / "copy")


def second_series(folder):
    names = [f"x{number}" for number in range(len(VOLUME))]
    write_series(folder / "ct", VOLUME, AFFINE, uid="1.2.3", names=names)


def cut(folder):
    path = folder / "ct" / "IM0003"
    path.write_bytes(path.read_bytes()[:-100])


def nested(depth):
    """A sequence whose item holds a sequence, and so on."""
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    inner = struct.pack("<HH2sHI", 0x0008, 0x1199, b"SQ", 0, 0xFFFFFFFF) + item
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return item + inner * depth + end * (depth + 1)


def many_elements(count):
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    element = struct.pack("<HH2sH", 0x0009, 0x1155, b"UI", 0)
    return item + element * count + struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)


def deflated_bomb(folder):
    """A slice that unpacks to 4 GiB of zeros: one piece, repeated."""
    path = write_slice(folder / "ct" / "IM0003", VOLUME[3], {}, DEFLATED)
    raw = path.read_bytes()
    start = raw.index(b"1.2.840.10008.1.2.1.99") + 22
    packer = zlib.compressobj(wbits=-15)
    piece = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(raw[:start] + 256 * piece + packer.flush())


BOMBS = (
    Row("B10", "a deflated slice of 4 MB that unpacks to 4 GiB", deflated_bomb,
        words="damaged"),
    Row("B10", "20,000 sequences inside each other",
        again(tags={(0x0008, 0x1140): ("SQ", nested(DEEP))}), words="damaged"),
    Row("B10", "100 sequences inside each other",
        again(tags={(0x0008, 0x1140): ("SQ", nested(100))}), words="damaged"),
    Row("B10", "30,000 elements in a slice",
        again(tags={(0x0008, 0x1140): ("SQ", many_elements(30_000))}), words="damaged"),
)  # fmt: skip

ROWS = (
    Row("B10", "one slice missing", missing, words="1 slice is missing"),
    Row("B10", "a slice doubled", doubled, words="slices are doubled"),
    Row("B10", "two series mixed", second_series, words="holds 2 CT series"),
    Row("B10", "gantry tilt of 15 degrees", again(affine=tilted()), words=r"15\.0 degrees"),
    Row("B10", "negated cosines", again(*mirrored()), "accepted"),
    Row("B10", "no rescale slope", again(tags={SLOPE: None}), words="Hounsfield"),
    Row("B10", "no rescale intercept", again(tags={INTERCEPT: None}), words="Hounsfield"),
    Row("B10", "implicit representations", again(transfer_syntax=IMPLICIT), "accepted"),
    Row("B10", "big-endian", again(transfer_syntax=BIG), "accepted"),
    Row("B10", "deflated", again(transfer_syntax=DEFLATED), "accepted"),
    Row("B10", "all slices in one file", again(tags={SOP_CLASS: ("UI", ENHANCED_CT)}),
        words="enhanced CT"),
    Row("B10", "a slice cut short", cut, words="damaged or cut short"),
    *BOMBS,
)  # fmt: skip

SUITE = Suite(
    "one DICOM series, to `voxsiam predict`",
    ("predict", "-i", "ct", "-o", "organs.nii.gz", "--model", "model"),
    sound,
    ROWS,
)
