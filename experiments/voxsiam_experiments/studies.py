"""The studies by name: the paper's tables, and each system trained by itself."""

from collections.abc import Callable, Mapping

from voxsiam.training.recipe import Recipe
from voxsiam_experiments import backbones, fig7, readings, table1, table2, table3, table4, table5
from voxsiam_experiments.recipes import RECIPES
from voxsiam_experiments.table import Row, Table


def _training(name: str, recipe: Callable[[], Recipe]) -> Table:
    what = (recipe.__doc__ or "").split(".")[0].removeprefix("Return the ")
    row = Row(label=name, recipe=recipe)
    return Table(name=f"train-{name}", number="", title=f"Training: {what}", rows=(row,))


_STUDIES = (table1, table2, table3, table4, table5, fig7, backbones, readings)

TABLES: Mapping[str, Table] = {study.TABLE.name: study.TABLE for study in _STUDIES}

TRAININGS: Mapping[str, Table] = {name: _training(name, recipe) for name, recipe in RECIPES.items()}
"""One system trained by itself, as a study of a single row: `voxsiam train NAME`."""

STUDIES: Mapping[str, Table] = TABLES | {table.name: table for table in TRAININGS.values()}
