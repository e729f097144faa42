"""One system trained by itself, as a study of a single row: `voxsiam train NAME`."""

from collections.abc import Callable, Mapping

from experiments.recipes import RECIPES
from experiments.table import Printed, Row, Table
from voxsiam.training.config import Recipe

PREFIX = "train-"


def _training(name: str, recipe: Callable[[], Recipe]) -> Table:
    what = (recipe.__doc__ or "").split(".")[0].removeprefix("Return the ")
    row = Row(label=name, recipe=recipe, printed=Printed())
    return Table(name=f"{PREFIX}{name}", number="", title=f"Training: {what}", rows=(row,))


TRAININGS: Mapping[str, Table] = {name: _training(name, recipe) for name, recipe in RECIPES.items()}
