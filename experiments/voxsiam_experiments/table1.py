"""Table I: Dice score of six methods, organ by organ.

Run:     voxsiam study run table1 --preset paper --data PREPARED    (6 rows x 5 seeds, GPUs)
Try:     voxsiam study run table1 --preset mini                     (phantoms)
Printed: averages 0.786 / 0.784 / 0.773 / 0.787 / 0.787 / 0.806; per organ in `six_methods`
"""

from voxsiam.orchestration.studies.table import Table
from voxsiam.types import PAPER_ORGANS
from voxsiam_experiments.six_methods import MISPRINT, NOT_IN_ALL, ROWS, TWO_PERCENT, UNTOLD

TABLE = Table(
    name="table1",
    number="I",
    title="Six methods in terms of the Dice score, organ by organ",
    rows=ROWS,
    footnotes=(MISPRINT, TWO_PERCENT, NOT_IN_ALL, UNTOLD),
    organs=PAPER_ORGANS,
)
