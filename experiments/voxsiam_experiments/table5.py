"""Table V: how wide must the heads be?

Run:     voxsiam study run table5 --preset paper --data PREPARED    (3 rows x 5 seeds, GPUs)
Try:     voxsiam study run table5 --preset mini                     (phantoms)
Printed: DSC 0.793 / 0.793 / 0.796, HD95 3.210 / 3.263 / 3.089, ASSD 0.86 / 0.822 / 0.804
"""

from voxsiam.losses.config import SimSiamConfig
from voxsiam.orchestration.studies.table import Printed, Row, Table
from voxsiam.types import PAPER_ORGANS
from voxsiam_experiments.recipes import voxel_simsiam


def _row(hidden_dim: int, dsc: float, hd95: float, assd: float) -> Row:
    heads = SimSiamConfig(hidden_dim=hidden_dim)
    return Row(
        label=f"feature ({hidden_dim})",
        recipe=voxel_simsiam(layers=1, relation=heads),
        printed=Printed(dsc=dsc, hd95=hd95, assd=assd),
    )


TABLE = Table(
    name="table5",
    number="V",
    title="The hidden dimension of the heads",
    rows=(
        _row(64, 0.793, 3.210, 0.86),
        _row(128, 0.793, 3.263, 0.822),
        _row(256, 0.796, 3.089, 0.804),
    ),
    footnotes=(
        "The paper does not name the layers. Its first row equals feature (1) of Table III in all "
        "three figures, so the study varies the heads of one layer, with lambda 100.",
        "The paper says that 64 and 128 improve HD95 a little and have a worse ASSD. By its own "
        "figures both have a worse HD95 than the 3D U-Net (3.170), and 128 a better ASSD (0.845).",
        '"Not reducing the original feature dimension" is said of 256; the deepest layer, which '
        "is varied here, has 512 channels.",
    ),
    organs=PAPER_ORGANS,
)
