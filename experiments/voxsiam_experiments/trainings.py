"""One system trained by itself, as a study of a single row: `voxsiam train NAME`."""

from collections.abc import Callable, Mapping

from voxsiam.training.recipe import Recipe
from voxsiam_experiments.recipes import RECIPES
from voxsiam_experiments.table import Printed, Row, Table

PREFIX = "train-"


def _training(name: str, recipe: Callable[[], Recipe]) -> Table:
    what = (recipe.__doc__ or "").split(".")[0].removeprefix("Return the ")
    row = Row(label=name, recipe=recipe, printed=Printed())
    return Table(name=f"{PREFIX}{name}", number="", title=f"Training: {what}", rows=(row,))


TRAININGS: Mapping[str, Table] = {name: _training(name, recipe) for name, recipe in RECIPES.items()}
