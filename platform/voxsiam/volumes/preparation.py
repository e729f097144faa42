"""One CT and its label map -> the training grid: crop, window, stretch (method: section IV-A).

Readings of the paper: docs/readings.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Shaped, UInt8

from voxsiam.errors import refusal
from voxsiam.types import PAPER_ORGANS, CropBox, Spacing
from voxsiam.volumes.label_files import LabelFiles, Labels
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.orientation import to_canonical
from voxsiam.volumes.placement import Placement, place
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam.volumes.resampling import resample, resample_nearest
from voxsiam.volumes.volume_file import read_image

PREPARATION_VERSION = 3
"""Raised whenever the same files and configuration would give other arrays."""

MAX_ABSOLUTE_HU = 1e6
"""Beyond it lie padding values such as -3.4e38, which interpolation before the window smears."""

Inspection = Callable[[Scan, Labels | None], None]
"""Looks at a scan and its labels in d h w, and raises UserError where they are unusable."""


@dataclass(frozen=True)
class PreparedVolume:
    """A scan on the training grid, and its label map as it was.

    Attributes:
        image: Windowed intensities, scaled as the configuration says.
        label: 0 background, 1.. organs; None for a scan without label map.
        native_label: The same organs on the whole scan; None likewise.
        annotated: Values of the organs that the annotator looked for; the others may lie in the
            background.
        organs: What the values stand for, from 1.
        spacing_mm: Size of a grid voxel: the extent of the placement's box / grid.
        notes: What was odd about the files, and what was made of it.
    """

    image: Float16[np.ndarray, "d h w"]
    label: UInt8[np.ndarray, "d h w"] | None
    native_label: UInt8[np.ndarray, "d0 h0 w0"] | None
    annotated: tuple[int, ...]
    organs: tuple[str, ...]
    placement: Placement
    spacing_mm: Spacing
    notes: tuple[str, ...] = ()


def prepare_volume(
    image_path: Path,
    label_files: LabelFiles | None,
    config: PreparationConfig,
    crop: CropBox | None = None,
    inspect: Inspection | None = None,
    geometry: Form | None = None,
) -> PreparedVolume:
    """Read, check and prepare one case.

    Args:
        image_path: CT in HU: a volume in one file, or the folder of a DICOM series.
        label_files: Where its organs lie, if that is known.
        crop: Box of the case in the axes of its files, for `config.crop="box"`.
        inspect: Called with what was read, before anything is made of it; it may refuse.
        geometry: See `read_nifti`.

    Raises:
        UserError: A file is unusable, the two do not belong together, or the box does not fit.
    """
    scan = read_image(image_path, geometry)
    native, notes = None, scan.notes
    if label_files is not None:
        native, more = label_files.read_with_notes(scan, geometry)
        notes = tuple(dict.fromkeys((*notes, *more)))
    if inspect is not None:
        inspect(scan, native)
    placement = place(scan, config, crop)
    label, annotated, organs = None, (), PAPER_ORGANS
    if label_files is not None and native is not None:
        label = label_on_grid(native, config, placement, label_files.files[0])
        annotated, organs = label_files.annotated, label_files.organs
    image = prepare_image(scan, config, placement)
    spacing_mm = placement.grid_spacing_mm(config.grid_dhw)
    return PreparedVolume(image, label, native, annotated, organs, placement, spacing_mm, notes)


def prepare_image(
    scan: Scan, config: PreparationConfig, placement: Placement
) -> Float16[np.ndarray, "d h w"]:
    """Crop, window and stretch an image to the grid, in the order of the configuration.

    Float16 resolves 0.2 HU at the upper end of the default window, and 0.002 standard deviations
    for scores between 2 and 4. Scores of a volume of n voxels stay below sqrt(n), far from the
    65504 where float16 ends. What shows nothing is refused: see `check_intensities`.
    """
    part = to_canonical(scan.array, placement.order)[placement.box]
    check_intensities(scan, part, config)
    return standardise(_window_on_grid(part, config), config, scan.path).astype(np.float16)


def label_on_grid(
    native: UInt8[np.ndarray, "d0 h0 w0"],
    config: PreparationConfig,
    placement: Placement,
    path: Path,
) -> UInt8[np.ndarray, "d h w"]:
    """Crop a label map and bring it to the grid, by the nearest voxel; refuse to lose them all."""
    part = native[placement.box]
    if not part.any():
        what = "None of the organs lies in the part of the scan that is kept."
        fix = "correct the crop box of this case: voxels along the axes of its image file"
        raise refusal(path, what, fix)
    on_grid = resample_nearest(part, config.grid_dhw)
    if not on_grid.any():
        what = "Every organ falls between the voxels of the training grid."
        raise refusal(path, what, "prepare on a finer --grid, or leave the case out")
    return on_grid


def check_intensities(
    scan: Scan, part: Shaped[np.ndarray, "d h w"], config: PreparationConfig
) -> None:
    """Refuse a scan with a voxel that is NaN or infinite, or of which a part shows nothing.

    Args:
        part: The one that goes onto the grid; it must vary within the window.
    """
    array = scan.array
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        what = f"{array.size - np.count_nonzero(finite)} intensities are NaN or infinite."
        fix = "export the scan again, with air (-1000 HU) where nothing was measured"
        raise refusal(scan.path, what, fix)
    low, high = config.window_hu
    darkest, brightest = float(part.min()), float(part.max())
    if min(max(darkest, low), high) == min(max(brightest, low), high):
        raise refusal(
            scan.path,
            f"The image is constant between {low:g} and {high:g} HU: "
            f"its intensities run from {darkest:g} to {brightest:g}.",
            "give a CT in Hounsfield units, or set a window that fits its intensities",
        )
    if config.order == "resample_then_window" and max(-darkest, brightest) > MAX_ABSOLUTE_HU:
        raise refusal(
            scan.path,
            f"Intensities from {darkest:g} to {brightest:g} cannot be interpolated "
            "before they are windowed.",
            "export the scan again with air at -1000 HU, or set order=window_then_resample",
        )


def _window_on_grid(
    part: Shaped[np.ndarray, "d0 h0 w0"], config: PreparationConfig
) -> Float32[np.ndarray, "d h w"]:
    stretch = partial(
        resample, part, config.grid_dhw, config.interpolation, anti_alias=config.anti_alias
    )
    if config.order == "resample_then_window":
        return apply_window(stretch(), config)
    unit = stretch(voxelwise=partial(apply_window, config=config))
    # Splines overshoot the window that was just cut; the authors' code for the liver clips too.
    return np.clip(unit, 0, 1) if config.interpolation == "cubic" else unit


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
    unit: Float32[np.ndarray, "d h w"], config: PreparationConfig, path: Path
) -> Float32[np.ndarray, "d h w"]:
    """Shift and scale windowed intensities in [0, 1] as the configuration says.

    Equation: u for `unit`; (u - mean(u)) / std(u) over the volume for `zscore_volume`, the same as
    for u in HU; (low + u (high - low) - mean_hu) / std_hu for `standard`.

    Raises:
        UserError: `zscore_volume` of a constant volume.
    """
    if config.intensity == "unit":
        return unit
    if config.intensity == "zscore_volume":
        # In float64: a float32 sum over a million voxels loses the last digits of the mean.
        mean, deviation = float(unit.mean(dtype=np.float64)), float(unit.std(dtype=np.float64))
        if unit.min() == unit.max():
            what = "The image is constant on its grid, so it cannot be scaled to variance 1."
            raise refusal(path, what, "leave the case out, or prepare with intensity=unit")
        return ((unit - mean) / deviation).astype(np.float32)
    if config.mean_hu is None or config.std_hu is None:
        raise ValueError("the configuration was built without validation")
    low, high = config.window_hu
    return ((unit * (high - low) + (low - config.mean_hu)) / config.std_hu).astype(np.float32)
