"""Table IV: do the class weights w_c of Eq. 6 help?

Run:     voxsiam study run table4 --preset paper --data PREPARED    (2 rows x 5 seeds, GPUs)
Try:     voxsiam study run table4 --preset mini                     (phantoms)
Printed: DSC 0.800 / 0.806, HD95 2.918 / 2.461, ASSD 0.825 / 0.681
"""

from voxsiam.losses.config import SimSiamConfig
from voxsiam.orchestration.studies.table import Printed, Row, Table
from voxsiam.types import PAPER_ORGANS
from voxsiam_experiments.recipes import voxel_simsiam

# 1 / classes for each class keeps the scale of the loss, and so the meaning of lambda.
UNWEIGHTED = SimSiamConfig(class_weights="uniform")

TABLE = Table(
    name="table4",
    number="IV",
    title="The weighted feature loss",
    rows=(
        Row(
            label="feature (w/o weight)",
            recipe=voxel_simsiam(relation=UNWEIGHTED),
            printed=Printed(dsc=0.800, hd95=2.918, assd=0.825),
        ),
        Row(
            label="feature",
            recipe=voxel_simsiam(),
            printed=Printed(dsc=0.806, hd95=2.461, assd=0.681),
        ),
    ),
    footnotes=(
        "Without weights each class present counts 1 / classes, so that the loss keeps its scale; "
        "the paper does not say whether it did.",
    ),
    organs=PAPER_ORGANS,
)
