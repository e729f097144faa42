"""One CT and its label map -> the training grid: crop, window, stretch (method: section IV-A)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Shaped, UInt8

from voxsiam.errors import UserError
from voxsiam.types import CropBox, Spacing
from voxsiam.volumes.image_files import read_image
from voxsiam.volumes.intensity import apply_window, check_intensities, standardise
from voxsiam.volumes.label_files import LabelFiles, Labels
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.orientation import to_canonical
from voxsiam.volumes.placement import Placement, place
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam.volumes.resampling import resample_cubic, resample_linear, resample_nearest

PREPARATION_VERSION = 3
"""Raised whenever the same files and configuration would give other arrays."""

Inspection = Callable[[Scan, Labels | None], None]
"""Looks at a scan and its labels in d h w, and raises UserError where they are unusable."""

_RESAMPLE = {"linear": resample_linear, "cubic": resample_cubic}


@dataclass(frozen=True)
class PreparedVolume:
    """A scan on the training grid, and its label map as it was.

    Attributes:
        image: Windowed intensities, scaled as the configuration says.
        label: 0 background, 1..8 organs; None for a scan without label map.
        native_label: The same organs on the whole scan; None likewise.
        annotated: Organs that the annotator looked for, 1..8; the others may lie in the
            background.
        placement: Where the grid lies in the scan.
        spacing_mm: Size of a grid voxel: the extent of the placement's box / grid.
        notes: What was odd about the files, and what was made of it.
    """

    image: Float16[np.ndarray, "d h w"]
    label: UInt8[np.ndarray, "d h w"] | None
    native_label: UInt8[np.ndarray, "d0 h0 w0"] | None
    annotated: tuple[int, ...]
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
        image_path: CT in HU: a NIfTI file, or the folder of a DICOM series.
        label_files: Where its organs lie, if that is known.
        config: Grid, window and readings.
        crop: Box of the case in the axes of its files, for `config.crop="box"`.
        inspect: Called with what was read, before anything is made of it; it may refuse.
        geometry: The form of the headers to believe, see `read_nifti`.

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
    label = None
    if label_files is not None and native is not None:
        label = label_on_grid(native, config, placement, label_files.files[0])
    image = prepare_image(scan, config, placement)
    spacing_mm = placement.grid_spacing_mm(config.grid_dhw)
    annotated = label_files.annotated if label_files is not None else ()
    return PreparedVolume(image, label, native, annotated, placement, spacing_mm, notes)


def prepare_image(
    scan: Scan, config: PreparationConfig, placement: Placement
) -> Float16[np.ndarray, "d h w"]:
    """Crop, window and stretch an image to the grid, in the order of the configuration.

    Float16 resolves 0.2 HU at the upper end of the default window, and 0.002 standard deviations
    for scores between 2 and 4. Scores of a volume of n voxels stay below sqrt(n), far from the
    65504 where float16 ends.

    Raises:
        UserError: The image is not finite, or constant where it is looked at.
    """
    part = to_canonical(scan.array, placement.order)[placement.box]
    check_intensities(scan, part, config)
    return standardise(_window_on_grid(part, config), config, str(scan.path)).astype(np.float16)


def label_on_grid(
    native: UInt8[np.ndarray, "d0 h0 w0"],
    config: PreparationConfig,
    placement: Placement,
    path: Path,
) -> UInt8[np.ndarray, "d h w"]:
    """Crop a label map and bring it to the grid, by the nearest voxel.

    Args:
        native: 0 background, 1..8 organs, on the whole scan.
        placement: Where the grid lies in the scan.
        path: Named where the label map is refused.

    Raises:
        UserError: No organ lies in the part that is kept, or none shows on the grid.
    """
    part = native[placement.box]
    if not part.any():
        raise UserError(
            "None of the eight organs lies in the part of the scan that is kept.",
            where=str(path),
            fix="correct the crop box of this case: voxels along the axes of its image file",
        )
    on_grid = resample_nearest(part, config.grid_dhw)
    if not on_grid.any():
        raise UserError(
            "Every organ falls between the voxels of the training grid.",
            where=str(path),
            fix="prepare on a finer --grid, or leave the case out",
        )
    return on_grid


def _window_on_grid(
    part: Shaped[np.ndarray, "d0 h0 w0"], config: PreparationConfig
) -> Float32[np.ndarray, "d h w"]:
    resample = _RESAMPLE[config.interpolation]
    if config.order == "resample_then_window":
        return apply_window(resample(part, config.grid_dhw, anti_alias=config.anti_alias), config)
    unit = resample(
        part,
        config.grid_dhw,
        anti_alias=config.anti_alias,
        voxelwise=partial(apply_window, config=config),
    )
    # Splines overshoot the window that was just cut; the authors' code for the liver clips too.
    return np.clip(unit, 0, 1) if config.interpolation == "cubic" else unit
