"""Which part of a scan lies on the training grid: the way there, and all the way back needs."""

from dataclasses import dataclass

from voxsiam.errors import refusal
from voxsiam.types import Box, CropBox, NativeReference, Shape, Spacing
from voxsiam.volumes.cropping import body_box
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import (
    AxisOrder,
    axis_order,
    ranges_dhw,
    spacing_dhw,
    to_canonical,
)
from voxsiam.volumes.preparation_config import PreparationConfig


@dataclass(frozen=True)
class Placement:
    """Where the training grid lies in a scan.

    Attributes:
        order: How the axes of the file lie in the patient.
        native_shape: Of the whole scan along d, h, w.
        native_spacing_mm: Its voxel size along d, h, w.
        box: The part of it that is stretched to the grid, as half-open slices along d, h, w; the
            whole scan where nothing is cropped.
    """

    order: AxisOrder
    native_shape: Shape
    native_spacing_mm: Spacing
    box: Box

    @property
    def is_cropped(self) -> bool:
        """Tell whether part of the scan lies outside the grid."""
        return self.box != whole_box(self.native_shape)

    def grid_spacing_mm(self, grid_dhw: Shape) -> Spacing:
        """Size of a grid voxel along d, h, w: spacing x extent of the box / grid."""
        d, h, w = (
            spacing * (part.stop - part.start) / grid
            for spacing, part, grid in zip(self.native_spacing_mm, self.box, grid_dhw, strict=True)
        )
        return d, h, w


def place(scan: Scan, config: PreparationConfig, crop: CropBox | None = None) -> Placement:
    """Find the part of a scan that the configuration puts on the grid.

    Args:
        scan: Its voxels, in HU, are looked at for `crop="body"` only.
        crop: Box of this case, in the axes of its file. Used for `crop="box"` only; a case
            without one is not cropped.

    Raises:
        UserError: The box does not lie in the scan, or the scan shows no body.
    """
    order = axis_order(scan.affine)
    array, spacing_mm = to_canonical(scan.array, order), spacing_dhw(scan.affine, order)
    d, h, w = array.shape
    box = whole_box((d, h, w))
    if config.crop == "body":
        box = body_box(array, spacing_mm, scan.path)
    elif config.crop == "box" and crop is not None:
        _check_inside(crop, scan)
        box = box_of(ranges_dhw(crop, scan.array.shape, order))
    return Placement(order, (d, h, w), spacing_mm, box)


def placement_of(reference: NativeReference) -> Placement:
    """Place the grid in a label map that is kept in d h w already; no file is needed."""
    d, h, w = reference.label.shape
    unchanged = AxisOrder(file_axis=(0, 1, 2), flipped=(False, False, False))
    return Placement(unchanged, (d, h, w), reference.spacing_mm, reference.placement_box)


def whole_box(shape: Shape) -> Box:
    """Return the box that leaves nothing out."""
    d, h, w = (slice(0, n) for n in shape)
    return d, h, w


def box_of(ranges: CropBox) -> Box:
    """Turn (start, stop) pairs into slices."""
    d, h, w = (slice(start, stop) for start, stop in ranges)
    return d, h, w


def ranges_of(box: Box) -> CropBox:
    """Turn slices into (start, stop) pairs, which can be written to a file."""
    d, h, w = ((part.start, part.stop) for part in box)
    return d, h, w


def _check_inside(crop: CropBox, scan: Scan) -> None:
    shape = scan.array.shape
    if not all(0 <= start < stop <= n for (start, stop), n in zip(crop, shape, strict=True)):
        listed = ", ".join(f"{start} to {stop}" for start, stop in crop)
        what = f"The crop box {listed} is empty or leaves the scan of {shape} voxels."
        fix = "give half-open voxel ranges along the axes of the image file, counted from 0"
        raise refusal(scan.path, what, fix)
