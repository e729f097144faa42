"""The studies by name."""

from collections.abc import Mapping

from experiments import table3
from experiments.table import Table

STUDIES: Mapping[str, Table] = {study.TABLE.name: study.TABLE for study in (table3,)}
