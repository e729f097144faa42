"""How the scanner sees the patient: voxels, HU and labels, table, noise, blur, the stored file."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from jaxtyping import Float, Int16, UInt8
from nibabel.orientations import axcodes2ornt, ornt_transform
from scipy.ndimage import gaussian_filter1d

from voxsiam.types import Box, Shape
from voxsiam_data.phantom.anatomy import Layer
from voxsiam_data.phantom.appearance import CODES, LABEL_OF, TEXTURE_HU
from voxsiam_data.phantom.lattice import Array, Field, Lattice, Point, between, smooth_noise
from voxsiam_data.phantom.space import Space

PIXEL_MM = (0.6, 1.0)
NOISE_HU = (8.0, 26.0)
BLUR_PIXELS = (0.6, 1.0)
# Most scanners store LPS; the rest is what exports and converters make of it.
ORIENTATIONS = ("LPS", "RAS", "LAS", "LPI", "RPS", "RAI", "LAI", "RPI")
STORE_SHARES = (0.35, 0.2, 0.15, 0.1, 0.05, 0.05, 0.05, 0.05)
# A slab of slices is painted at a time, so that thin slices do not cost memory.
SLAB_VOXELS = 6_000_000
TEXTURE_LENGTH_MM = 4.5


@dataclass(frozen=True)
class Scan:
    """Settings of one acquisition.

    Attributes:
        spacing_mm: Slice distance and pixel sizes, d h w.
        first_mm: Scanner position of the centre of voxel 0.
        noise_hu: Standard deviation of the noise in the picture.
        blur_pixels: Standard deviation of the point spread in the slice.
        orientation: Axis codes of the stored array.
        world_mm: Offset from scanner to world coordinates, d h w.
    """

    spacing_mm: Point
    shape: Shape
    first_mm: Point
    noise_hu: float
    blur_pixels: float
    orientation: str
    world_mm: Point

    def axis_mm(self, axis: int) -> Float[np.ndarray, " n"]:
        """Return the scanner coordinates of the voxel centres along one axis."""
        return self.first_mm[axis] + self.spacing_mm[axis] * np.arange(self.shape[axis])


def draw_scan(
    rng: np.random.Generator, box: tuple[Point, Point], slice_mm: tuple[float, float]
) -> Scan:
    """Draw the settings of a scan that covers a box (low, high corner) in scanner coordinates.

    Args:
        slice_mm: Least and greatest slice distance, drawn log-uniformly.
    """
    low, high = np.log(slice_mm)
    thickness = round(float(np.exp(rng.uniform(low, high))), 2)
    thickness = min(max(thickness, slice_mm[0]), slice_mm[1])
    pixel = round(float(rng.uniform(*PIXEL_MM)), 4)
    spacing = (thickness, pixel, pixel)
    sizes = [int((b - a) / s) + 1 for a, b, s in zip(*box, spacing, strict=True)]
    # A pixel's noise grows as its voxel shrinks, with the dose held between two extremes.
    noise = float(np.clip(rng.gamma(9.0, 1.35) * (3.0 / thickness) ** 0.25, *NOISE_HU))
    away = rng.normal(0, 60, 3)
    return Scan(
        spacing_mm=spacing,
        shape=(sizes[0], sizes[1], sizes[2]),
        first_mm=box[0],
        noise_hu=noise,
        blur_pixels=float(rng.uniform(*BLUR_PIXELS)),
        orientation=str(rng.choice(ORIENTATIONS, p=STORE_SHARES)),
        world_mm=(float(away[0]) - 200.0, float(away[1]), float(away[2])),
    )


def table_fields(space: Space, skin: Field) -> dict[str, Field]:
    """Return the couch under the patient: a curved shell around a light core."""
    crop = space.whole
    heights = crop.height_mm[0, :, 0]
    touched = (skin.depth_mm > 0).any(axis=(0, 2))
    back = float(heights[touched].min()) if touched.any() else float(heights[0])
    side = space.lattice.axis_mm(2)[None, None, :] - np.float32(space.pose.shift_mm[2])
    top = np.float32(back + 1) + (side / 150) ** 2 * np.float32(9)
    under = top - crop.height_mm
    shell = np.minimum(under, 30 - under)
    return {"table": crop.field(shell), "table_core": crop.field(shell - np.float32(2.5))}


def paint(
    layers: list[Layer],
    lattice: Lattice,
    scan: Scan,
    tissue_hu: Float[np.ndarray, " t"],
    rng: np.random.Generator,
) -> tuple[Int16[np.ndarray, "d h w"], UInt8[np.ndarray, "d h w"]]:
    """Paint one CT: return HU and labels on the scan's grid.

    Args:
        layers: Shapes on the lattice, in painting order.
        tissue_hu: Mean HU of each tissue code.
    """
    pattern = Field((0, 0, 0), smooth_noise(rng, lattice, TEXTURE_LENGTH_MM))
    trimmed = [(CODES[name], field.trimmed()) for name, field in layers]
    coded = [(code, field) for code, field in trimmed if field is not None]
    image = np.empty(scan.shape, dtype=np.int16)
    label = np.empty(scan.shape, dtype=np.uint8)
    slices, height, width = scan.shape
    thick = max(1, SLAB_VOXELS // (height * width))
    for start in range(0, slices, thick):
        slab = slice(start, min(start + thick, slices))
        tissue = _tissues(coded, lattice, scan, slab)
        label[slab] = LABEL_OF[tissue]
        ideal = _sampled(pattern, lattice, scan, (slab, slice(None), slice(None)))
        ideal *= TEXTURE_HU[tissue]
        ideal += tissue_hu[tissue]
        image[slab] = _exposed(ideal, scan, rng)
    return image, label


def _tissues(
    layers: list[tuple[int, Field]], lattice: Lattice, scan: Scan, slab: slice
) -> UInt8[np.ndarray, "d h w"]:
    """Return the tissue code of each voxel of some slices: the last shape that covers it."""
    tissue = np.full((slab.stop - slab.start, *scan.shape[1:]), CODES["air"], dtype=np.uint8)
    for code, field in layers:
        box = _covered(field, lattice, scan, slab)
        if all(part.start < part.stop for part in box):
            inside = _sampled(field, lattice, scan, box) > 0
            view = tissue[box[0].start - slab.start : box[0].stop - slab.start, box[1], box[2]]
            np.copyto(view, code, where=inside)
    return tissue


def _covered(field: Field, lattice: Lattice, scan: Scan, slab: slice) -> Box:
    """Return the voxels of a slab that lie between the nodes of a field's crop."""
    low_mm = np.add(lattice.origin_mm, lattice.step_mm * np.array(field.start))
    high_mm = low_mm + lattice.step_mm * (np.array(field.depth_mm.shape) - 1)
    low, high = np.subtract((low_mm, high_mm), scan.first_mm) / scan.spacing_mm
    starts = np.maximum(np.ceil(low), (slab.start, 0, 0)).astype(int).tolist()
    stops = np.minimum(np.floor(high) + 1, (slab.stop, *scan.shape[1:])).astype(int).tolist()
    d, h, w = map(slice, starts, stops)
    return d, h, w


def _sampled(field: Field, lattice: Lattice, scan: Scan, box: Box) -> Array:
    """Return a field's values at the centres of a box of voxels, by linear interpolation."""
    values = field.depth_mm
    # Slices first and rows last: the largest array is then built from whole rows, which is quick.
    for axis in (0, 2, 1):
        centres = scan.axis_mm(axis)[box[axis]]
        nodes = (centres - lattice.origin_mm[axis]) / lattice.step_mm - field.start[axis]
        values = between(values, axis, nodes)
    return values


def _exposed(
    ideal_hu: Float[np.ndarray, "d h w"], scan: Scan, rng: np.random.Generator
) -> Int16[np.ndarray, "d h w"]:
    """Add noise, then blur both within the slice, so that the noise has the blur's grain.

    White noise of size s blurred by a Gaussian of b pixels along two axes keeps s / (2 sqrt(pi) b),
    which is undone here; the values are held in the range that CT stores.
    """
    white = rng.standard_normal(ideal_hu.shape, dtype=np.float32)
    white *= np.float32(scan.noise_hu * 2 * np.sqrt(np.pi) * scan.blur_pixels)
    white += ideal_hu
    for axis in (1, 2):
        gaussian_filter1d(white, scan.blur_pixels, axis=axis, output=white, truncate=3.0)
    return np.rint(np.clip(white, -1024, 3071, out=white), out=white).astype(np.int16)


def stored(
    array: Int16[np.ndarray, "d h w"] | UInt8[np.ndarray, "d h w"], scan: Scan
) -> nib.Nifti1Image:
    """Turn an array into a NIfTI image with the scan's axis order and the matching affine."""
    affine = np.diag([*scan.spacing_mm[::-1], 1.0])
    place = zip(scan.first_mm, scan.world_mm, strict=True)
    affine[:3, 3] = [first + world for first, world in place][::-1]
    image = nib.Nifti1Image(array.transpose(2, 1, 0), affine)
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(scan.orientation))
    image = image.as_reoriented(turn.astype(int).tolist())
    image.header.set_xyzt_units("mm")
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    return image
