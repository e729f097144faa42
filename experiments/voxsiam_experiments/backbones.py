"""The method on each of the four networks, which the paper claims to be possible and never shows.

Run:     voxsiam study run backbones --preset paper --data PREPARED    (8 rows x 5 seeds, GPUs)
Try:     voxsiam study run backbones --preset mini                     (phantoms)
Printed: the four networks alone, in Tables I and II; nothing for the networks with the method
"""

from voxsiam.orchestration.studies.table import Printed, Row, Table
from voxsiam_experiments.recipes import voxel_simsiam
from voxsiam_experiments.six_methods import NOT_IN_ALL, ROWS


def _rows(alone: Row) -> tuple[Row, Row]:
    ours = Row(
        label=f"{alone.label} + ours",
        recipe=alone.recipe.with_changes(feature_loss=voxel_simsiam().feature_loss),
        printed=ROWS[-1].printed if alone.label == "3D U-Net" else Printed(),
        compared_with=f"{alone.label} + ours",
    )
    return alone.model_copy(update={"compared_with": ours.label}), ours


TABLE = Table(
    name="backbones",
    number="",
    title="The method added to each of the four networks",
    rows=tuple(row for network in ROWS[:4] for row in _rows(network)),
    footnotes=(
        'The paper says that the method "can be simply added to existing networks" and shows it '
        "on the 3D U-Net alone.",
        NOT_IN_ALL,
    ),
)
