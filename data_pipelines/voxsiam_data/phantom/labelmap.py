"""Real label maps as anatomy: the eight organs are given, the body is fitted around them."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from nibabel.filebasedimages import ImageFileError
from scipy.ndimage import distance_transform_edt, find_objects, gaussian_filter
from scipy.ndimage import label as connected

from voxsiam.errors import UserError, refusal
from voxsiam.types import PAPER_ORGANS
from voxsiam_data.phantom.lattice import Field, Lattice, Point, Vector, between, box_around
from voxsiam_data.phantom.space import Pose
from voxsiam_data.phantom.trunk import Habitus

# Mean centroids in ten real maps, in the body coordinates of `organs` (superior, anterior, right).
TEXTBOOK_MM = {
    "spleen": (34, 0, -99),
    "left_kidney": (-20, 0, -70),
    "gallbladder": (2, 78, 68),
    "esophagus": (88, 32, -18),
    "liver": (35, 48, 58),
    "stomach": (20, 71, -52),
    "pancreas": (0, 54, -20),
    "duodenum": (-27, 54, 22),
}
MARGIN_VOXELS = 6
SPECK_SHARE = 0.03


@dataclass(frozen=True)
class OrganMap:
    """A label map cut to its organs: 0 background, 1..8 organs.

    Scanner coordinates are index times spacing.
    """

    label: UInt8[np.ndarray, "d h w"]
    spacing_mm: Point

    @property
    def ends_mm(self) -> tuple[float, float]:
        """Heights of the lowest and the highest slice with an organ."""
        step_mm = self.spacing_mm[0]
        return MARGIN_VOXELS * step_mm, (len(self.label) - 1 - MARGIN_VOXELS) * step_mm


def read_organ_map(path: Path) -> OrganMap:
    """Read a label map, turn it to d h w and cut it to its organs.

    Raises:
        UserError: The file is not a readable 3D label map with all eight organs.
    """
    try:
        image = nib.as_closest_canonical(nib.load(path))  # pyright: ignore[reportArgumentType]
        values = np.asarray(image.dataobj)  # pyright: ignore[reportAttributeAccessIssue]
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise _unfit(path, f"This label map cannot be read ({error}).") from error
    if values.ndim != 3:
        raise _unfit(path, f"This label map has {values.ndim} axes instead of 3.")
    cut = _cut_to_organs(values.T)
    found = np.unique(cut)
    if not np.array_equal(found[found != 0], np.arange(1, len(PAPER_ORGANS) + 1)):
        raise _unfit(path, f"This label map holds the values {found[:12].tolist()}.")
    clean = _cut_to_organs(_without_specks(cut.astype(np.uint8)))
    x, y, z = (float(v) for v in image.header.get_zooms()[:3])
    return OrganMap(np.pad(clean, MARGIN_VOXELS), (z, y, x))


def _cut_to_organs(labels: Shaped[np.ndarray, "_ _ _"]) -> Shaped[np.ndarray, "_ _ _"]:
    box = box_around(labels != 0, 0)
    return labels if box is None else labels[box]


def _without_specks(labels: UInt8[np.ndarray, "d h w"]) -> UInt8[np.ndarray, "d h w"]:
    """Drop the stray pieces of hand-drawn maps, which would lie outside any body.

    Each organ keeps its pieces of at least SPECK_SHARE of the organ.
    """
    clean = np.zeros_like(labels)
    for code, box in enumerate(find_objects(labels), start=1):
        pieces = np.empty(labels[box].shape, dtype=np.int32)
        connected(labels[box] == code, output=pieces)
        sizes = np.bincount(pieces.ravel())
        kept = sizes >= SPECK_SHARE * sizes[1:].sum()
        kept[0] = False
        clean[box][kept[pieces]] = code
    return clean


def _unfit(path: Path, what: str) -> UserError:
    return refusal(
        path,
        what,
        "use 3D NIfTI label maps with background 0 and all organs 1..8: " + ", ".join(PAPER_ORGANS),
    )


def fitted_pose(organ_map: OrganMap, fat_mm: float) -> tuple[Pose, Habitus]:
    """Fit the textbook body to a map: scale and shift by least squares, then the belly around it.

    Equation: centroid = scale * textbook + shift along each axis, scale held in [0.85, 1.15].
    """
    textbook = np.array([TEXTBOOK_MM[name] for name in PAPER_ORGANS], dtype=float)
    places = [np.argwhere(organ_map.label == k + 1).mean(0) for k in range(len(PAPER_ORGANS))]
    centroids = np.array(places) * np.array(organ_map.spacing_mm)
    scale = np.array([np.polyfit(textbook[:, i], centroids[:, i], 1)[0] for i in range(3)])
    scale = scale.clip(0.85, 1.15)
    shift = (centroids - scale * textbook).mean(0)
    pose = Pose((0, 0, 0), scale, shift, 0.0)
    return pose, _fitted_habitus(organ_map, scale, shift, fat_mm)


def _fitted_habitus(organ_map: OrganMap, scale: Vector, shift: Vector, fat_mm: float) -> Habitus:
    """Return the smallest belly of the usual form that holds the organs, but for single corners."""
    voxels = np.argwhere(organ_map.label > 0)[::7]
    body = (voxels * np.array(organ_map.spacing_mm) - shift) / scale
    front, side = body[:, 1], np.abs(body[:, 2])
    back, top = np.quantile(front, (0.002, 0.998))
    centre, depth, width = (top + back) / 2, (top - back) / 2, np.quantile(side, 0.996)
    ratio = ((np.abs(front - centre) / depth) ** 2.4 + (side / width) ** 2.4) ** (1 / 2.4)
    more = max(1.0, float(np.quantile(ratio, 0.985)))
    liver = organ_map.label == PAPER_ORGANS.index("liver") + 1
    dome = np.flatnonzero(liver.any(axis=(1, 2)))[-1] * organ_map.spacing_mm[0]
    return Habitus(
        centre_mm=float(centre),
        half_depth_mm=float(depth * more + 3),
        half_width_mm=float(width * more + 3),
        fat_mm=fat_mm,
        diaphragm_mm=float((dome - shift[0]) / scale[0] - 90),
    )


def map_fields(organ_map: OrganMap, lattice: Lattice) -> dict[str, Field]:
    """Return the organs of a map as shapes on a lattice."""
    return {
        name: _organ_field(organ_map.label == code, organ_map.spacing_mm, lattice)
        for code, name in enumerate(PAPER_ORGANS, start=1)
    }


def _organ_field(mask: Bool[np.ndarray, "d h w"], spacing_mm: Point, lattice: Lattice) -> Field:
    """Return the depth inside one mask: its share of a node near the surface, distance within.

    The share is one half exactly between two organs that touch, so they still touch afterwards.
    """
    # The map has this margin around all organs.
    box = [slice(b.start - MARGIN_VOXELS, b.stop + MARGIN_VOXELS) for b in find_objects(mask, 1)[0]]
    cut = mask[tuple(box)].astype(np.float32)
    step = lattice.step_mm
    share = gaussian_filter(cut, [0.3 * step / s for s in spacing_mm])
    start = []
    for axis, spacing in enumerate(spacing_mm):
        nodes = lattice.axis_mm(axis).astype(float) / spacing - box[axis].start
        inside = np.flatnonzero((nodes >= 0) & (nodes <= cut.shape[axis] - 1))
        start.append(int(inside[0]))
        share = between(share, axis, nodes[inside])
    deep = np.asarray(distance_transform_edt(share > 0.5)) * step - step / 2
    depth = np.maximum((share - 0.5) * np.float32(1.2 * step), deep)
    depth = np.where(share > 0.5, depth, (share - 0.5) * np.float32(1.2 * step))
    return Field((start[0], start[1], start[2]), depth.astype(np.float32))
