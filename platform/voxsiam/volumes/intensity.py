"""From Hounsfield units to what the network sees (method: section IV-A, docs/readings.md)."""

import numpy as np
from jaxtyping import Float32, Shaped

from voxsiam.errors import UserError
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.preparation_config import PreparationConfig

MAX_ABSOLUTE_HU = 1e6
"""Beyond it lie padding values such as -3.4e38, which interpolation before the window smears."""


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


def standardise(
    unit: Float32[np.ndarray, "d h w"], config: PreparationConfig, where: str
) -> Float32[np.ndarray, "d h w"]:
    """Shift and scale windowed intensities as the configuration says.

    Equation: u for `unit`; (u - mean(u)) / std(u) over the volume for `zscore_volume`, the same as
    for u in HU; (low + u (high - low) - mean_hu) / std_hu for `standard`.

    Args:
        unit: Windowed intensities in [0, 1].
        config: Says which; `standard` brings its mean and standard deviation.
        where: Named where a volume has no variance.

    Raises:
        UserError: `zscore_volume` of a constant volume.
    """
    if config.intensity == "unit":
        return unit
    if config.intensity == "zscore_volume":
        # In float64: a float32 sum over a million voxels loses the last digits of the mean.
        mean, deviation = float(unit.mean(dtype=np.float64)), float(unit.std(dtype=np.float64))
        if unit.min() == unit.max():
            raise UserError(
                "The image is constant on its grid, so it cannot be scaled to variance 1.",
                where=where,
                fix="leave the case out, or prepare with intensity=unit",
            )
        return ((unit - mean) / deviation).astype(np.float32)
    if config.mean_hu is None or config.std_hu is None:
        raise ValueError("the configuration was built without validation")
    low, high = config.window_hu
    return ((unit * (high - low) + (low - config.mean_hu)) / config.std_hu).astype(np.float32)


def check_intensities(
    scan: Scan, part: Shaped[np.ndarray, "d h w"], config: PreparationConfig
) -> None:
    """Refuse a scan that shows nothing.

    Args:
        scan: No voxel of it may be NaN or infinite.
        part: The part that goes onto the grid; it must vary within the window.

    Raises:
        UserError: With what the intensities are instead.
    """
    array = scan.array
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        raise UserError(
            f"{array.size - np.count_nonzero(finite)} intensities are NaN or infinite.",
            where=str(scan.path),
            fix="export the scan again, with air (-1000 HU) where nothing was measured",
        )
    low, high = config.window_hu
    darkest, brightest = float(part.min()), float(part.max())
    if min(max(darkest, low), high) == min(max(brightest, low), high):
        raise UserError(
            f"The image is constant between {low:g} and {high:g} HU: "
            f"its intensities run from {darkest:g} to {brightest:g}.",
            where=str(scan.path),
            fix="give a CT in Hounsfield units, or set a window that fits its intensities",
        )
    if config.order == "resample_then_window" and max(-darkest, brightest) > MAX_ABSOLUTE_HU:
        raise UserError(
            f"Intensities from {darkest:g} to {brightest:g} cannot be interpolated "
            "before they are windowed.",
            where=str(scan.path),
            fix="export the scan again with air at -1000 HU, or set order=window_then_resample",
        )
