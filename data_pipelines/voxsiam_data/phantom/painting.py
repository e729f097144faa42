"""From a patient's shapes to the voxels of a scan: tissues, their HU, and the labels."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int16, UInt8

from voxsiam_data.phantom.acquisition import Scan, exposed
from voxsiam_data.phantom.anatomy import Anatomy
from voxsiam_data.phantom.appearance import CODES, labels_of_tissues, texture_of_tissues
from voxsiam_data.phantom.lattice import Array, Field, Lattice, between, smooth_noise

# A slab of slices is painted at a time, so that thin slices do not cost memory.
SLAB_VOXELS = 6_000_000
TEXTURE_LENGTH_MM = 4.5


def paint(
    anatomy: Anatomy,
    scan: Scan,
    tissue_hu: Float[np.ndarray, " t"],
    rng: np.random.Generator,
) -> tuple[Int16[np.ndarray, "d h w"], UInt8[np.ndarray, "d h w"]]:
    """Paint one CT.

    Args:
        anatomy: Shapes in painting order.
        tissue_hu: Mean HU of each tissue code.
        rng: Draws tissue patterns and noise.

    Returns:
        HU and labels on the scan's grid.
    """
    texture = smooth_noise(rng, anatomy.lattice, TEXTURE_LENGTH_MM)
    pattern = Field((0, 0, 0), texture)
    trimmed = [(name, field.trimmed()) for name, field in anatomy.layers]
    layers = [(CODES[name], field) for name, field in trimmed if field is not None]
    spread, label_of = texture_of_tissues(), labels_of_tissues()
    image = np.empty(scan.shape, dtype=np.int16)
    label = np.empty(scan.shape, dtype=np.uint8)
    for slab in _slabs(scan.shape):
        tissue = _tissues(layers, anatomy.lattice, scan, slab)
        label[slab] = label_of[tissue]
        ideal = sampled(pattern, anatomy.lattice, scan, _whole(scan, slab))
        ideal *= spread[tissue]
        ideal += tissue_hu[tissue]
        image[slab] = exposed(ideal, scan, rng)
    return image, label


def _tissues(
    layers: list[tuple[int, Field]], lattice: Lattice, scan: Scan, slab: slice
) -> UInt8[np.ndarray, "d h w"]:
    """Return the tissue code of each voxel of some slices: the last shape that covers it."""
    tissue = np.full((slab.stop - slab.start, *scan.shape[1:]), CODES["air"], dtype=np.uint8)
    for code, field in layers:
        box = covered(field, lattice, scan, slab)
        if all(part.start < part.stop for part in box):
            inside = sampled(field, lattice, scan, box) > 0
            view = tissue[box[0].start - slab.start : box[0].stop - slab.start, box[1], box[2]]
            np.copyto(view, code, where=inside)
    return tissue


def covered(field: Field, lattice: Lattice, scan: Scan, slab: slice) -> tuple[slice, slice, slice]:
    """Return the voxels of a slab that lie between the nodes of a field's crop."""
    parts = []
    for axis in range(3):
        low = lattice.origin_mm[axis] + lattice.step_mm * field.start[axis]
        high = low + lattice.step_mm * (field.depth_mm.shape[axis] - 1)
        first, size = scan.first_mm[axis], scan.spacing_mm[axis]
        start = max(0, int(np.ceil((low - first) / size)))
        stop = min(scan.shape[axis], int(np.floor((high - first) / size)) + 1)
        parts.append(slice(start, max(start, stop)))
    depth = slice(max(parts[0].start, slab.start), min(parts[0].stop, slab.stop))
    return depth, parts[1], parts[2]


def sampled(field: Field, lattice: Lattice, scan: Scan, box: tuple[slice, slice, slice]) -> Array:
    """Return a field's values at the centres of a box of voxels, by linear interpolation."""
    values = field.depth_mm
    # Slices first and rows last: the largest array is then built from whole rows, which is quick.
    for axis in (0, 2, 1):
        centres = scan.axis_mm(axis)[box[axis]]
        nodes = (centres - lattice.origin_mm[axis]) / lattice.step_mm - field.start[axis]
        values = between(values, axis, nodes)
    return values


def _whole(scan: Scan, slab: slice) -> tuple[slice, slice, slice]:
    return slab, slice(0, scan.shape[1]), slice(0, scan.shape[2])


def _slabs(shape: tuple[int, int, int]) -> Iterator[slice]:
    """Cut the slices into groups of at most SLAB_VOXELS."""
    thick = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    for start in range(0, shape[0], thick):
        yield slice(start, min(start + thick, shape[0]))
