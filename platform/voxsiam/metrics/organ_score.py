"""The scores of one organ of one case."""

from dataclasses import dataclass

MEASURES = (
    "dsc",
    "hd95_grid",
    "assd_grid",
    "hd95_mm_grid",
    "assd_mm_grid",
    "dsc_native",
    "hd95_mm_native",
    "assd_mm_native",
)
"""What is averaged over cases and organs.

`grid`: in voxels of the training grid, as the paper. `mm_grid`: on that grid, in mm.
`mm_native`: on the scan's own grid, in mm. `dsc` is that of the grid.
"""


@dataclass(frozen=True)
class OrganScore:
    """How well one organ of one case was found; NaN where a measure is left out.

    The measures are those of MEASURES: DSC, the 95 % Hausdorff distance and the average symmetric
    surface distance. Each grid has its own counts: a small organ may vanish on the training grid.

    Attributes:
        organ: One of the classes of its data.
        hd95_grid, assd_grid: In voxels of the training grid; `*_mm_grid` in mm, with its spacing.
        dsc_native: On the scan's own grid, as all that ends so; distances there are in mm.
        missed: On the grid, the reference has the organ, the prediction has none of it.
    """

    case_id: str
    organ: str
    dsc: float
    hd95_grid: float
    assd_grid: float
    hd95_mm_grid: float
    assd_mm_grid: float
    reference_voxels: int
    predicted_voxels: int
    missed: bool
    dsc_native: float = float("nan")
    hd95_mm_native: float = float("nan")
    assd_mm_native: float = float("nan")
    reference_voxels_native: int = 0
    predicted_voxels_native: int = 0
    missed_native: bool = False
