"""The studies by name: the paper's tables, and each system trained by itself."""

from collections.abc import Mapping

from voxsiam_experiments import backbones, fig7, readings, table1, table2, table3, table4, table5
from voxsiam_experiments.table import Table
from voxsiam_experiments.trainings import TRAININGS

_STUDIES = (table1, table2, table3, table4, table5, fig7, backbones, readings)

TABLES: Mapping[str, Table] = {study.TABLE.name: study.TABLE for study in _STUDIES}

STUDIES: Mapping[str, Table] = {
    **TABLES,
    **{table.name: table for table in TRAININGS.values()},
}
