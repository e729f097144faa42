"""What tells two cases of the same scan, or of the same patient, from two others.

A few kilobytes a case, so that thousands can be compared in memory.
"""

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped, UInt8

from voxsiam.durable_files import sha256_of
from voxsiam.types import Spacing
from voxsiam_data.checks.case_voxels import CaseVoxels

COARSE_GRID = (6, 12, 12)
_COARSE_HU = (-200.0, 300.0)
_SHAPE_STEP_MM, _SHAPE_SIDE = 6.0, 48
_MIN_VOXELS = 20


@dataclass(frozen=True)
class OrganShape:
    """Where an organ lies, and its shape about its own centre.

    Attributes:
        centre_mm: Along d, h, w, from the first voxel.
        packed: Cubes of 6 mm, 48 along each axis, set where at least half of one is organ.
    """

    centre_mm: tuple[float, float, float]
    packed: bytes

    def cubes(self) -> Bool[np.ndarray, " n"]:
        """Unpack the shape."""
        bits = np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8)
        return np.unpackbits(bits, count=_SHAPE_SIDE**3).astype(bool)


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is compared between cases.

    Attributes:
        image_files, label_files: Checksums of the files.
        image_voxels, label_voxels: Of the voxels in d h w, whatever file and type held them.
        coarse_hu: Mean intensities of 6 x 12 x 12 parts of the scan.
        organs: Shapes of the organs that lie in the scan as a whole, by label value.
    """

    image_files: str | None = None
    label_files: str | None = None
    image_voxels: str | None = None
    label_voxels: str | None = None
    coarse_hu: Float32[np.ndarray, " n"] | None = None
    organs: dict[int, OrganShape] | None = None


def fingerprint_of(
    voxels: CaseVoxels, image_files: tuple[Path, ...], label_files: tuple[Path, ...]
) -> Fingerprint:
    """Take the fingerprint of a case that was read."""
    image, label = voxels.image, voxels.label
    return Fingerprint(
        image_files=_files_checksum(image_files),
        label_files=_files_checksum(label_files),
        image_voxels=None if image is None else _voxels_checksum(image),
        label_voxels=None if label is None else _voxels_checksum(label),
        coarse_hu=None if image is None else _coarse(image),
        organs=None if label is None else organ_shapes(label, voxels.spacing_mm),
    )


def organ_shapes(label: UInt8[np.ndarray, "d h w"], spacing_mm: Spacing) -> dict[int, OrganShape]:
    """Describe the organs that touch no end of the scan."""
    steps = [max(1, round(_SHAPE_STEP_MM / 2.5 / size)) for size in spacing_mm]
    reduced = label[:: steps[0], :: steps[1], :: steps[2]]
    size_mm = np.array(steps) * spacing_mm
    at = np.argwhere(reduced)
    values = reduced[tuple(at.T)]
    shapes: dict[int, OrganShape] = {}
    for value in np.unique(values).tolist():
        points = at[values == value]
        whole = (points > 0).all() and (points < np.array(reduced.shape) - 1).all()
        if len(points) >= _MIN_VOXELS and whole:
            shapes[value] = _shape(points * size_mm, float(np.prod(size_mm)))
    return shapes


def _shape(points_mm: Float64[np.ndarray, "n 3"], voxel_mm3: float) -> OrganShape:
    centre = points_mm.mean(axis=0)
    cube = np.floor((points_mm - centre) / _SHAPE_STEP_MM).astype(np.intp) + _SHAPE_SIDE // 2
    cube = cube.clip(0, _SHAPE_SIDE - 1)
    flat = np.ravel_multi_index(tuple(cube.T), (_SHAPE_SIDE,) * 3)
    filled = np.bincount(flat, minlength=_SHAPE_SIDE**3) * voxel_mm3 / _SHAPE_STEP_MM**3
    packed = zlib.compress(np.packbits(filled >= 0.5).tobytes(), 1)
    d, h, w = centre.tolist()
    return OrganShape((d, h, w), packed)


def _files_checksum(paths: tuple[Path, ...]) -> str | None:
    if not paths:
        return None
    sums = [sha256_of(path) for path in paths]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _voxels_checksum(array: Shaped[np.ndarray, "d h w"]) -> str:
    digest = hashlib.sha256(str(array.shape).encode())
    for one in array:
        digest.update(_plain(one).tobytes())
    return digest.hexdigest()


def _plain(values: Shaped[np.ndarray, "h w"]) -> Shaped[np.ndarray, "h w"]:
    """Hold values in one type, whichever type held them: labels in bytes, HU in two."""
    if values.dtype == np.uint8:
        return values
    with np.errstate(invalid="ignore"):
        short = values.astype(np.int16)
    return short if (short == values).all() else values.astype(np.float32)


def _coarse(image: Shaped[np.ndarray, "d h w"]) -> Float32[np.ndarray, " n"]:
    """Average a sample of the scan, cut to soft tissue, over parts of equal size."""
    strides = [max(1, n // (8 * parts)) for n, parts in zip(image.shape, COARSE_GRID, strict=True)]
    sample = image[:: strides[0], :: strides[1], :: strides[2]].astype(np.float32)
    np.clip(np.nan_to_num(sample, nan=_COARSE_HU[0]), *_COARSE_HU, out=sample)
    for axis, parts in enumerate(COARSE_GRID):
        starts = np.linspace(0, sample.shape[axis], parts, endpoint=False).astype(np.intp)
        counts = np.diff([*starts, sample.shape[axis]]).clip(1)
        shape = [1, 1, 1]
        shape[axis] = parts
        sample = np.add.reduceat(sample, starts, axis=axis) / counts.reshape(shape)
    return sample.ravel().astype(np.float32)
