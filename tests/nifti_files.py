"""Small NIfTI files made by hand, sound and broken."""

import gzip
import struct
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np

from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.label_files import LabelMap

PIXDIM, DIM, OFFSET, SLOPE, QFORM, SFORM, SFORM_ROWS = 76, 40, 108, 112, 252, 254, 280

ALL_AXES = [
    (axes, signs) for axes in permutations(range(3)) for signs in product((1, -1), repeat=3)
]
"""The 48 ways in which the axes of a file can lie along x, y, z."""


def label_map(path: Path) -> LabelMap:
    """A label map that holds our own values."""
    return LabelMap(path=path, values={value: value for value in range(len(PAPER_ORGANS) + 1)})


def ras_affine(spacing_xyz=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    affine = np.diag([*spacing_xyz, 1.0])
    affine[:3, 3] = origin
    return affine


def reoriented(array_xyz, affine, axes, signs):
    """Store the same scan along other axes: file axis i is world axis axes[i], times signs[i]."""
    stored = array_xyz.transpose(axes)
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    for i, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        to_old[axis, i] = sign
        if sign < 0:
            stored = np.flip(stored, i)
            to_old[axis, 3] = array_xyz.shape[axis] - 1
    return stored, affine @ to_old


def write_scan(path: Path, array, affine=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = ras_affine() if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(array, affine, dtype=array.dtype), path)  # pyright: ignore[reportPrivateImportUsage]
    return path


def patch(path: Path, *changes) -> Path:
    """Overwrite bytes of a header: (offset, struct format, values...)."""
    raw = bytearray(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    )
    for offset, layout, *values in changes:
        struct.pack_into(layout, raw, offset, *values)
    path.write_bytes(gzip.compress(bytes(raw)) if path.suffix == ".gz" else bytes(raw))
    return path


def phantom_ct(shape_xyz=(20, 18, 16), seed=0):
    """Noise around soft tissue, with all eight organs as boxes of the label map."""
    generator = np.random.default_rng(seed)
    image = generator.integers(-150, 200, shape_xyz).astype(np.int16)
    label = np.zeros(shape_xyz, dtype=np.uint8)
    for value in range(1, 9):
        x, y = 2 + 8 * (value % 2), 3 * ((value - 1) // 2) + 2
        label[x : x + 6, y : y + 3, 3:12] = value
    return image, label
