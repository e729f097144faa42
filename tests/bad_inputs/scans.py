"""B1 to B9, B16, B18: one NIfTI scan, given to `voxsiam predict`."""

import gzip
import math
from pathlib import Path

import numpy as np

from tests.bad_inputs.row import Row, Suite
from tests.nifti_files import (
    DIM,
    PIXDIM,
    QFORM,
    SFORM_ROWS,
    SLOPE,
    patch,
    phantom_ct,
    ras_affine,
    write_scan,
)

NAME = "ct.nii.gz"
IMAGE, _ = phantom_ct((21, 18, 17))
AFFINE = ras_affine((0.7, 0.8, 2.5), (-10, 20, 30))


def sound(folder: Path) -> Path:
    return write_scan(folder / NAME, IMAGE, AFFINE)


def header(*changes):
    return lambda folder: patch(folder / NAME, *changes)


def array(changed, affine=AFFINE):
    return lambda folder: write_scan(folder / NAME, changed, affine)


def content(make):
    """Replace the file by bytes made from its bytes."""

    def change(folder):
        path = folder / NAME
        path.write_bytes(make(path.read_bytes()))

    return change


def cut(tenths):
    return content(lambda raw: raw[: len(raw) * tenths // 10 + (tenths == 0)])


def flipped_bit(raw):
    return raw[:-8] + bytes([raw[-8] ^ 1]) + raw[-7:]


def voxel(value):
    changed = IMAGE.astype(np.float32)
    changed[3, 4, 5:7] = value
    return changed


def loop(folder):
    (folder / NAME).unlink()
    (folder / NAME).symlink_to(folder / NAME)


def detached(folder):
    """A NRRD header that points to a file of the system."""
    lines = ("NRRD0004", "type: short", "dimension: 3", "sizes: 21 18 17", "endian: little")
    text = "\n".join((*lines, "encoding: raw", "data file: ../../../etc/passwd", "", ""))
    (folder / NAME).write_bytes(gzip.compress(text.encode()))


def zeros(num_bytes: int) -> bytes:
    """So many zero bytes (whole 64 MiB) as gzip members: made in no time, 1/1000 of the size."""
    member = gzip.compress(bytes(2**26), mtime=0)
    return member * (num_bytes // 2**26)


def bomb(num_bytes, *changes):
    """A header, then zeros without end."""

    def change(folder):
        path = patch(folder / NAME, *changes)
        start = gzip.decompress(path.read_bytes())[:352]
        path.write_bytes(gzip.compress(start) + zeros(num_bytes))

    return change


GIB = 2**30
UINT8, INT16, FLOAT64 = (70, "<2h", 2, 8), (70, "<2h", 4, 16), (70, "<2h", 64, 64)

BOMBS = (
    Row("B7", "header claims 32767^3 voxels", header((DIM, "<4h", 3, 32767, 32767, 32767)),
        words="claims .* voxels"),
    Row("B7", "10 MB that unpack to 10 GB, as the header says",
        bomb(10 * GIB, (DIM, "<4h", 3, 2048, 2048, 1280), INT16), words="claims .* voxels"),
    Row("B7", "8 MB that unpack to 8 GB of few large voxels",
        bomb(8 * GIB, (DIM, "<4h", 3, 1024, 1024, 1000), FLOAT64), words="voxels take"),
    Row("B7", "2 MB that unpack to 2 GB within all limits of a scan",
        bomb(2 * GIB, (DIM, "<4h", 3, 1024, 1024, 1000), INT16), words="voxels take"),
    Row("B7", "10 GB behind the voxels of a small header", bomb(10 * GIB), words="more bytes"),
    Row("B7", "a hundred times the voxels that there are",
        header((DIM, "<4h", 3, 2100, 18, 17)), words="too short|to its end"),
)  # fmt: skip
"""Tried under a limit of memory as well."""

STALE = (SFORM_ROWS, "<12f", 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
SPACINGS = (0.0, -1.0, math.nan, math.inf, 1e-6, 1e6)

ROWS = (
    *(Row("B1", f"spacing {value:g} mm where it counts (qform)",
          header((PIXDIM + 8, "<f", value), (QFORM, "<2h", 1, 0)), words="mm")
      for value in SPACINGS),
    *(Row("B1", f"pixdim {value:g} mm beside a sform", header((PIXDIM + 8, "<f", value)), "noted",
          "no spacing, and is not used") for value in SPACINGS),
    Row("B1", "spacing of 1e6 mm in the affine", header((SFORM_ROWS, "<f", 1e6)), words="mm"),
    Row("B2", "affine singular", header((SFORM_ROWS, "<3f", 0.7, 0.7, 0.7)), words="right angles"),
    Row("B2", "affine NaN", header((SFORM_ROWS + 12, "<f", math.nan)), words="not numbers"),
    Row("B2", "axes 1e-6 off right angles", header((SFORM_ROWS + 4, "<f", 0.8e-6)), "noted",
        "degrees off right angles are taken as right angles"),
    Row("B2", "axes 1e-3 off right angles", header((SFORM_ROWS + 4, "<f", 0.8e-3)), "noted",
        r"0\.06 degrees off right angles are taken as right angles"),
    Row("B2", "axes 0.1 off right angles", header((SFORM_ROWS + 4, "<f", 0.08)),
        words="right angles"),
    Row("B3", "sform and qform mirror each other",
        header((QFORM, "<h", 1), (SFORM_ROWS, "<f", -0.7)), words=r"\(LAS against RAS\)"),
    Row("B3", "sform and qform swap axes",
        header((QFORM, "<h", 1), (SFORM_ROWS, "<8f", 0, 0.8, 0, 0, 0.7, 0, 0, 0)),
        words=r"\(ARS against RAS\)"),
    Row("B3", "sform and qform 20 mm apart",
        header((QFORM, "<h", 1), (SFORM_ROWS + 12, "<f", 10.0)), "noted",
        "20 mm apart: the sform counts"),
    Row("B3", "a qform that is no rotation", header((QFORM, "<h", 1), (256, "<3f", 1, 1, 1)),
        words="qform makes no sense"),
    Row("B3", "a sform that a resampling left behind", header((QFORM, "<h", 1), STALE),
        words=r"1 x 1 x 1 mm, its qform 0\.7 x 0\.8 x 2\.5 mm"),
    Row("B3", "a sform beside another pixdim", header(STALE), words="its pixdim"),
    Row("B3", "qfac of 0", header((QFORM, "<2h", 1, 0), (PIXDIM, "<f", 0.0)), "accepted"),
    Row("B3", "neither sform nor qform", header((QFORM, "<2h", 0, 0)),
        words="how the patient lies"),
    Row("B5", "2D", array(IMAGE[:, :, 0]), words="not a 3D scan"),
    Row("B5", "4D", array(np.stack([IMAGE, IMAGE], -1)), words="not a 3D scan"),
    Row("B5", "one slice", array(IMAGE[:, :, :1]), words="not a 3D scan"),
    Row("B5", "one voxel along an axis", array(IMAGE[:1]), words="not a 3D scan"),
    Row("B5", "a fourth axis of one", array(IMAGE[..., None]), "accepted"),
    Row("B5", "voxels 50 times as thick as wide",
        array(IMAGE, ras_affine((0.5, 0.5, 25.0))), "accepted"),
    *(Row("B6", f"gzip cut after {10 * tenths} %", cut(tenths),
          words="to its end|not a NIfTI|says otherwise") for tenths in range(10)),
    Row("B6", "wrong checksum", content(flipped_bit), words="CRC"),
    Row("B6", ".nii.gz that is not gzip", content(gzip.decompress), words="not gzip"),
    Row("B6", "gzip inside gzip", content(gzip.compress), words="not a NIfTI"),
    Row("B6", "empty file", content(lambda raw: raw[:0]), words="not gzip"),
    Row("B6", "words after the end", content(lambda raw: raw + b"words"), words="to its end"),
    *BOMBS,
    Row("B9", "NRRD whose data lie elsewhere", detached, words="not a NIfTI"),
    *(Row("B16", f"intensity {value}", array(voxel(value)), words="2 intensities are NaN or inf")
      for value in (math.nan, math.inf, -math.inf)),
    Row("B16", "all zero", array(np.zeros_like(IMAGE)), words="constant"),
    Row("B16", "constant in the window", array(np.where(IMAGE > 0, 3000, 2000).astype(np.int16)),
        words="constant"),
    Row("B16", "HU shifted by 1024", array((IMAGE + 1024).astype(np.int16)), words="constant"),
    Row("B16", "HU shifted by 1024, with air", array(np.where(IMAGE > 0, IMAGE + 1024, 24)
        .astype(np.int16)), "noted", "Hounsfield"),
    Row("B16", "scl_slope 0", header((SLOPE, "<2f", 0.0, 5.0)), "accepted"),
    Row("B16", "scl_slope NaN", header((SLOPE, "<2f", math.nan, 5.0)), "accepted"),
    Row("B16", "scl_inter infinite", header((SLOPE, "<2f", 1.0, math.inf)), words="broken"),
    Row("B18", "link to itself", loop, words="does not exist"),
)  # fmt: skip

SUITE = Suite(
    "one NIfTI scan, to `voxsiam predict`",
    ("predict", "-i", NAME, "-o", "organs.nii.gz", "--model", "model"),
    sound,
    ROWS,
)


def renamed(name):
    return lambda folder: (folder / NAME).rename(folder / "in" / name)


def sound_in_folder(folder: Path) -> None:
    (folder / "in").mkdir()
    sound(folder)


NAMES = Suite(
    "a folder with one scan, to `voxsiam predict`",
    ("predict", "-i", "in", "-o", "out", "--model", "model"),
    sound_in_folder,
    tuple(
        Row("B18", what, renamed(name), "accepted", re_name)
        for what, name, re_name in (
            ("a name that is not ASCII", "Müller ß 名.nii.gz", "Müller ß 名"),
            ("a name of 247 characters", "x" * 240 + ".nii.gz", "xxx"),
            ("a name that begins with a dash", "--help.nii.gz", "--help"),
            ("a name in square brackets", "[bold]ct[red].nii.gz", r"\[bold\]ct\[red\]"),
        )
    ),
)
