"""Many cases at a glance: of each its axial slice through the most organs, with the ground truth.

Slices stand in the radiological convention: the patient's right is on the picture's left.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from voxsiam.types import Spacing
from voxsiam_dashboards.figures.overlays import busiest_slice, coloured, pixel_aspect, to_picture
from voxsiam_dashboards.figures.png_address import png_address
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_data.prepared.prepared_set import PreparedSet, read_arrays

MOST_TILES = 24
WIDTH = 196  # pixels on the screen: six side by side on a laptop


@dataclass(frozen=True)
class Tile:
    """One case.

    Attributes:
        case_id: Its name.
        address: The picture, as a data: address.
        slice_index: Along d.
        height: In pixels on the screen, at WIDTH.
    """

    case_id: str
    address: str
    slice_index: int
    height: int


def tiles_of_set(prepared: PreparedSet, case_ids: Iterable[str]) -> list[Tile]:
    """Draw cases of a prepared set; of the image a single slice is read.

    Raises:
        UserError: A case is unknown, or its files are damaged or gone.
    """
    tiles = []
    for case_id in case_ids:
        case = prepared.case(case_id)
        image, label = read_arrays(prepared.folder(case), case)
        tiles.append(draw_tile(case_id, image, np.array(label), case.spacing_mm))
    return tiles


def tiles_of_runs(results: StudyResults) -> list[Tile]:
    """Draw the test cases whose volumes the runs have kept."""
    kept = {t.overlay.case_id: t.overlay for t in results.trials if t.overlay is not None}
    return [draw_tile(name, o.image, o.label, o.spacing_mm) for name, o in sorted(kept.items())]


def draw_tile(
    case_id: str,
    image: Float[np.ndarray, "d h w"],
    label: UInt8[np.ndarray, "d h w"],
    spacing_mm: Spacing,
) -> Tile:
    """Draw one case."""
    index = busiest_slice(label, "axial")
    grey = _grey(np.array(image[index], dtype=np.float32))
    # `to_picture` cuts volumes; a slice is a volume one voxel thick.
    picture = coloured(
        to_picture(grey[None], "axial", 0), to_picture(label[index][None], "axial", 0)
    )
    rows, columns = grey.shape
    height = WIDTH * rows * pixel_aspect(spacing_mm, "axial") / columns
    return Tile(case_id, png_address(picture), index, round(float(np.clip(height, 40, 3 * WIDTH))))


def _grey(cut: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Bring a slice to 0..1: intensities may have been brought to mean 0 and variance 1."""
    low, high = float(cut.min()), float(cut.max())
    if low >= 0 and high <= 1:
        return cut
    return (cut - low) / max(high - low, np.finfo(np.float32).tiny)
