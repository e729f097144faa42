"""What a sweep varies, as data."""

import json
from collections.abc import Mapping

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Field, model_validator

from voxsiam.errors import UserError
from voxsiam.training.overrides import override
from voxsiam.training.recipe import Recipe
from voxsiam.types import Frozen

Value = int | float
Values = Mapping[str, Value]
"""One value for each setting of a space, by name."""


class Setting(Frozen):
    """One setting of a recipe with the values that it may take.

    Attributes:
        path: Dotted name of the recipe's field.
        low: Least value; where there are choices, none.
        choices: The only values, where it has no range.
        log: Whether values are drawn evenly on a logarithmic scale.
        share_of: Name of the field of which the value is a share, between 0 and 1; the recipe's
            field holds whole numbers then.
        scales_with_grid: Whether the range is that of the paper's grid, and shrinks with it.
    """

    name: str
    path: str
    low: Value | None = None
    high: Value | None = None
    choices: tuple[Value, ...] = ()
    log: bool = False
    share_of: str | None = None
    scales_with_grid: bool = False

    @model_validator(mode="after")
    def _range_or_choices(self) -> "Setting":
        has_range = self.low is not None and self.high is not None and self.low < self.high
        if has_range == bool(self.choices):
            raise ValueError(f"{self.name}: give a range or choices")
        return self

    def distribution(self) -> BaseDistribution:
        """Say to Optuna what values there are."""
        if self.choices:
            return CategoricalDistribution(self.choices)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log)
        return FloatDistribution(float(self.low or 0), float(self.high or 0), log=self.log)

    def scaled(self, share: float) -> "Setting":
        """Shrink a range of whole numbers to a grid that has this share of the paper's voxels."""
        if not self.scales_with_grid or not self.low or not self.high:
            return self
        low = max(1, round(self.low * share))
        return self.model_copy(update={"low": low, "high": max(low + 1, round(self.high * share))})


class SearchSpace(Frozen):
    """The settings of a sweep, all others standing as in its recipe.

    Attributes:
        settings: In the order in which they are set: a share after what it is a share of.
    """

    base: Recipe
    settings: tuple[Setting, ...] = Field(min_length=1)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Say to Optuna what is searched."""
        return {setting.name: setting.distribution() for setting in self.settings}

    def recipe(self, values: Values) -> Recipe:
        """Put one value of each setting into the recipe; every value is checked by its field.

        Raises:
            UserError: The recipe has no such field, or the values contradict each other.
        """
        recipe = self.base
        for setting in self.settings:
            value = values[setting.name]
            if setting.share_of is not None:
                value = round(value * float(_field(recipe, setting.share_of)))
            recipe = override(recipe, [f"{setting.path}={json.dumps(value)}"])
        return recipe

    def base_values(self) -> dict[str, Value]:
        """Read the values that the recipe itself has, brought into their ranges."""
        return {setting.name: self._base_value(setting) for setting in self.settings}

    def check(self) -> None:
        """Try the ends of every range and every choice, the others standing as in the recipe.

        Raises:
            UserError: One of them makes no recipe: a search would fail when it comes to it.
        """
        point = self.base_values()
        for setting in self.settings:
            for value in setting.choices or (setting.low or 0, setting.high or 0):
                self.recipe({**point, setting.name: value})

    def _base_value(self, setting: Setting) -> Value:
        value = _field(self.base, setting.path)
        if setting.share_of is not None:
            value /= float(_field(self.base, setting.share_of))
        if setting.choices:
            return min(setting.choices, key=lambda choice: abs(choice - value))
        return min(max(value, setting.low or 0), setting.high or value)


def _field(recipe: Recipe, path: str) -> Value:
    found: object = recipe
    for name in path.split("."):
        found = getattr(found, name, None)
    if not isinstance(found, int | float):
        raise UserError(
            f"the recipe has no number '{path}' to vary",
            where="--set",
            fix="leave out the setting that takes it away, or choose another sweep",
        )
    return found
