"""One CT and its label map -> the training grid: window, scale, stretch (method: section IV-A)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Shaped, UInt8
from pydantic import field_validator

from voxsiam.errors import UserError
from voxsiam.types import Frozen, Shape, Spacing
from voxsiam.volumes.geometry_check import check_same_grid
from voxsiam.volumes.nifti import Scan, read_nifti
from voxsiam.volumes.orientation import (
    axis_order,
    from_canonical,
    shape_dhw,
    spacing_dhw,
    to_canonical,
)
from voxsiam.volumes.resampling import resample_linear, resample_nearest

PREPARATION_VERSION = 1
"""Raised whenever the same files and configuration would give other arrays."""

_PIECE = 2**18


class PreparationConfig(Frozen):
    """How a scan becomes a training volume.

    Attributes:
        grid_dhw: Every scan is stretched to this grid (section IV-A; the paper writes 128x128x64
            as H x W x D), so the voxel size differs from case to case. Multiples of 8, because
            the networks halve the grid three times.
        window_hu: Intensities are clipped here and scaled to [0, 1] (section IV-A).
    """

    grid_dhw: Shape = (64, 128, 128)
    window_hu: tuple[float, float] = (-200.0, 250.0)

    @field_validator("grid_dhw")
    @classmethod
    def _divisible(cls, grid: Shape) -> Shape:
        if any(n < 16 or n % 8 for n in grid):
            raise ValueError("each axis of the grid must be a multiple of 8 and at least 16")
        return grid

    @field_validator("window_hu")
    @classmethod
    def _ascending(cls, window: tuple[float, float]) -> tuple[float, float]:
        if not -np.inf < window[0] < window[1] < np.inf:
            raise ValueError("the window must ascend from a lower to an upper bound in HU")
        return window

    def with_grid(self, grid_dhw: Shape) -> "PreparationConfig":
        """Return a copy with another grid, validated."""
        return PreparationConfig(grid_dhw=grid_dhw, window_hu=self.window_hu)


@dataclass(frozen=True)
class PreparedVolume:
    """A scan on the training grid.

    Attributes:
        image: Windowed intensities in [0, 1].
        label: 0 background, 1..8 organs; None for a scan without label map.
        spacing_mm: Size of a grid voxel: the scan's extent / grid.
        native_shape: Shape of the scan, already in d h w.
        native_spacing_mm: Voxel size of the scan along d, h, w.
    """

    image: Float16[np.ndarray, "d h w"]
    label: UInt8[np.ndarray, "d h w"] | None
    spacing_mm: Spacing
    native_shape: Shape
    native_spacing_mm: Spacing


def prepare_volume(
    image_path: Path,
    label_path: Path | None,
    label_values: Mapping[int, int],
    config: PreparationConfig,
) -> PreparedVolume:
    """Read, check and prepare one case.

    Args:
        image_path: CT in HU.
        label_path: Label map on the grid of the image, if there is one.
        label_values: Value in the label file -> 0 background, 1..8 organs.
        config: Grid and window.

    Raises:
        UserError: A file is unusable, or the two do not belong together.
    """
    scan = read_nifti(image_path)
    label = None
    if label_path is not None:
        label_scan = read_nifti(label_path)
        check_same_grid(scan, label_scan)
        label = prepare_label(label_scan, label_values, config)
    return _prepared(scan, label, config)


def prepare_image(scan: Scan, config: PreparationConfig) -> Float16[np.ndarray, "d h w"]:
    """Window, scale to [0, 1], then stretch to the grid (in this order: reading 17).

    Float16 resolves 0.2 HU at the upper end of the default window.
    """
    _check_intensities(scan, config)
    canonical = to_canonical(scan.array, axis_order(scan.affine))
    return resample_linear(apply_window(canonical, config), config.grid_dhw).astype(np.float16)


def apply_window(
    array: Shaped[np.ndarray, "d h w"], config: PreparationConfig
) -> Float32[np.ndarray, "d h w"]:
    """Clip to the window and scale it to [0, 1]: (x - low) / (high - low)."""
    low, high = config.window_hu
    scaled = array.astype(np.float32)
    np.clip(scaled, low, high, out=scaled)
    scaled -= low
    scaled /= high - low
    return scaled


def prepare_label(
    scan: Scan, label_values: Mapping[int, int], config: PreparationConfig
) -> UInt8[np.ndarray, "d h w"]:
    """Check the values of a label map, bring it to the grid and rename its values to ours."""
    _check_label_values(scan, label_values)
    canonical = to_canonical(scan.array, axis_order(scan.affine))
    on_grid = resample_nearest(canonical, config.grid_dhw)
    renamed = np.zeros(on_grid.shape, dtype=np.uint8)
    for source_value, value in label_values.items():
        renamed[on_grid == source_value] = value
    return renamed


def restore_label(label: UInt8[np.ndarray, "d h w"], scan: Scan) -> UInt8[np.ndarray, "i j k"]:
    """Bring a label map from the training grid back to the grid of its scan."""
    order = axis_order(scan.affine)
    i, j, k = scan.array.shape
    native = resample_nearest(label, shape_dhw((i, j, k), order))
    return np.ascontiguousarray(from_canonical(native, order))


def _prepared(
    scan: Scan, label: UInt8[np.ndarray, "d h w"] | None, config: PreparationConfig
) -> PreparedVolume:
    order = axis_order(scan.affine)
    i, j, k = scan.array.shape
    native_shape = shape_dhw((i, j, k), order)
    native_spacing_mm = spacing_dhw(scan.affine, order)
    d, h, w = (
        spacing * native / grid
        for spacing, native, grid in zip(
            native_spacing_mm, native_shape, config.grid_dhw, strict=True
        )
    )
    image = prepare_image(scan, config)
    return PreparedVolume(image, label, (d, h, w), native_shape, native_spacing_mm)


def _check_intensities(scan: Scan, config: PreparationConfig) -> None:
    array = scan.array
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        raise UserError(
            f"{array.size - np.count_nonzero(finite)} intensities are NaN or infinite.",
            where=str(scan.path),
            fix="export the scan again, with air (-1000 HU) where nothing was measured",
        )
    low, high = config.window_hu
    darkest, brightest = float(array.min()), float(array.max())
    if min(max(darkest, low), high) == min(max(brightest, low), high):
        raise UserError(
            f"The image is constant between {low:g} and {high:g} HU: "
            f"its intensities run from {darkest:g} to {brightest:g}.",
            where=str(scan.path),
            fix="give a CT in Hounsfield units, or set a window that fits its intensities",
        )


def _check_label_values(scan: Scan, label_values: Mapping[int, int]) -> None:
    counts = _count_values(scan.array)
    unknown = {value: count for value, count in counts.items() if value not in label_values}
    if unknown:
        first = list(unknown.items())[:5]
        listed = ", ".join(f"{value:.9g} ({count} voxels)" for value, count in first)
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise UserError(
            f"Unknown label values: {listed}{more}.",
            where=str(scan.path),
            fix=f"known are the whole numbers {_ranges(label_values)}: declare or remap the others",
        )
    if not any(label_values[int(value)] for value in counts):
        raise UserError(
            "The label map holds none of the eight organs.",
            where=str(scan.path),
            fix="give the label map of this scan, or leave the case out",
        )


def _count_values(array: Shaped[np.ndarray, "i j k"]) -> dict[int | float, int]:
    flat = array.ravel("K")
    counts: dict[int | float, int] = {}
    # Piece by piece: sorting a whole label map takes seconds and several times its memory.
    for start in range(0, flat.size, _PIECE):
        values, numbers = np.unique(flat[start : start + _PIECE], return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            key = value if value == value else math.nan  # one key for every NaN
            counts[key] = counts.get(key, 0) + number
    return counts


def _ranges(label_values: Mapping[int, int]) -> str:
    values = sorted(label_values)
    return ", ".join(map(str, values)) if len(values) <= 12 else f"{values[0]} to {values[-1]}"
