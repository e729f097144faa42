"""Table II: parameters, HD95 and ASSD of six methods; the trainings are those of Table I.

Run:     voxsiam study run table2 --preset paper --data PREPARED    (nothing to train after table1)
Try:     voxsiam study run table2 --preset mini                     (phantoms)
Printed: HD95 3.170 / 3.311 / 5.861 / 3.013 / 3.621 / 2.461, ASSD .845 / .832 / 1.33 / .812 / .815 / .681
Parameters are printed by `voxsiam models`.
"""  # noqa: E501

from voxsiam.orchestration.studies.table import Table
from voxsiam.types import PAPER_ORGANS
from voxsiam_experiments.six_methods import MISPRINT, NOT_IN_ALL, ROWS, TWO_PERCENT, UNTOLD

TABLE = Table(
    name="table2",
    number="II",
    title="Six methods in terms of HD95 and ASSD",
    rows=ROWS,
    footnotes=(
        "The supervised contrastive loss has a worse printed HD95 (3.621) than the 3D U-Net that "
        "it is based on (3.170).",
        '"The same number of parameters" holds when a scan is segmented: heads exist while '
        "training alone.",
        MISPRINT,
        TWO_PERCENT,
        NOT_IN_ALL,
        UNTOLD,
    ),
    organs=PAPER_ORGANS,
)
