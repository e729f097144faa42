"""Table III: what does each hidden layer add?

Run:     voxsiam study run table3 --preset paper --data PREPARED    (3 rows x 5 seeds, GPUs)
Try:     voxsiam study run table3 --preset mini                     (phantoms, 2 cores, ~10 minutes)
Printed: DSC 0.793 / 0.797 / 0.806, HD95 3.210 / 2.895 / 2.461, ASSD 0.86 / 0.761 / 0.681
"""

from voxsiam.orchestration.studies.table import Printed, Row, Table
from voxsiam.types import PAPER_ORGANS
from voxsiam_experiments.recipes import voxel_simsiam

TABLE = Table(
    name="table3",
    number="III",
    title="Multi-resolution context aggregation: encoder layers in the feature loss",
    rows=(
        Row(
            label="feature (1)",
            recipe=voxel_simsiam(layers=1),
            printed=Printed(dsc=0.793, hd95=3.210, assd=0.86),
        ),
        Row(
            label="feature (2)",
            recipe=voxel_simsiam(layers=2),
            printed=Printed(dsc=0.797, hd95=2.895, assd=0.761),
        ),
        Row(
            label="feature (3)",
            recipe=voxel_simsiam(layers=3),
            printed=Printed(dsc=0.806, hd95=2.461, assd=0.681),
        ),
    ),
    footnotes=(
        "The paper prints no lambda for two layers; 10 is used, as for three.",
        "The paper prints one figure a row, without repeats or spread.",
    ),
    organs=PAPER_ORGANS,
)
