"""Under which reading of the paper, if any, does its ordering appear? A study nobody has made.

Run:     voxsiam study run readings --preset paper --data PREPARED    (12 rows x 5 seeds, GPUs)
Try:     voxsiam study run readings --preset mini                     (phantoms)
Printed: nothing; the paper's ordering is: the method above the 3D U-Net, by 0.020 in DSC

Each row changes one thing that the paper leaves open (docs/readings.md) in the method on three
layers; the first two are the 3D U-Net alone and the method as we read it.
"""

from collections.abc import Mapping
from typing import Any

from voxsiam.losses.config import SimSiamConfig
from voxsiam.orchestration.studies.table import Printed, Row, Table
from voxsiam_experiments.recipes import unet3d, voxel_simsiam

READINGS: Mapping[str, Mapping[str, Any]] = {
    "lambda 1": {"weight": 1.0},
    "lambda 100": {"weight": 100.0},
    "pairs: as printed, a sum": {"relation": SimSiamConfig(pair_reduction="sum")},
    "pairs: over all voxels": {"relation": SimSiamConfig(pair_reduction="global_mean")},
    "background left out": {"include_background": False},
    "weights: all voxels": {"relation": SimSiamConfig(weights_counted_on="all_voxels")},
    "weights: one": {"relation": SimSiamConfig(class_weights="one")},
    "labels: majority of the cell": {"coarse_labels": "majority"},
    "no self pairs": {"relation": SimSiamConfig(exclude_self_pairs=True)},
    "pairs across layers": {"relation": SimSiamConfig(cross_layer=True)},
}

TABLE = Table(
    name="readings",
    number="",
    title="What the paper leaves open, one reading at a time",
    rows=(
        Row(
            label="3D U-Net",
            recipe=unet3d(),
            printed=Printed(dsc=0.786, hd95=3.170, assd=0.845),
            compared_with="3D U-Net",
        ),
        Row(
            label="as we read it",
            recipe=voxel_simsiam(),
            printed=Printed(dsc=0.806, hd95=2.461, assd=0.681),
            compared_with="3D U-Net",
        ),
        *(
            Row(label=label, recipe=voxel_simsiam(**changes), compared_with="3D U-Net")
            for label, changes in READINGS.items()
        ),
    ),
    footnotes=(
        "The sum over pairs as printed grows with the square of a class's voxels. lambda stays at "
        "the printed 10, so the feature loss dwarfs the Dice loss there.",
    ),
)
