"""The studies by name: the paper's tables, and each system trained by itself."""

from collections.abc import Mapping

from experiments import table3
from experiments.table import Table
from experiments.trainings import TRAININGS

TABLES: Mapping[str, Table] = {study.TABLE.name: study.TABLE for study in (table3,)}

STUDIES: Mapping[str, Table] = {
    **TABLES,
    **{table.name: table for table in TRAININGS.values()},
}
