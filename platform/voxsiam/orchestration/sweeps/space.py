"""What a sweep varies, as data."""

import json
from collections.abc import Mapping
from itertools import product
from typing import TypeGuard

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import BaseModel, Field, model_validator

from voxsiam.errors import UserError, nearest_name
from voxsiam.training.overrides import override
from voxsiam.training.recipe import Recipe
from voxsiam.types import Frozen

Value = bool | int | float | str
_MOST_LISTED = 1000
Values = Mapping[str, Value]
"""One value for each setting of a space, by name."""


def value_text(value: Value) -> str:
    """Write a value for people: four digits of a number."""
    return f"{value:.4g}" if _is_number(value) else str(value)


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
    low: int | float | None = None
    high: int | float | None = None
    choices: tuple[Value, ...] = ()
    log: bool = False
    share_of: str | None = None
    scales_with_grid: bool = False

    @model_validator(mode="after")
    def _range_or_choices(self) -> "Setting":
        has_range = self.low is not None and self.high is not None and self.low < self.high
        if has_range == bool(self.choices):
            raise ValueError(f"{self.name}: give a range or choices")
        if has_range and self.log and (self.low or 0) <= 0:
            raise ValueError(f"{self.name}: a logarithmic range begins above 0")
        return self

    def listed(self) -> tuple[Value, ...]:
        """List all values of a grid.

        Raises:
            UserError: It is a range of fractions, or one of many whole numbers.
        """
        if self.choices:
            return self.choices
        low, high = self.low, self.high
        if isinstance(low, int) and isinstance(high, int) and high - low < _MOST_LISTED:
            return tuple(range(low, high + 1))
        raise UserError(
            f"a grid needs single values, '{self.name}' has a range",
            where=f"--over {self.path}",
            fix=f"list them: --over {self.path}=VALUE,VALUE,...; or take another --sampler",
        )

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

    def grid(self) -> list[dict[str, Value]]:
        """List the points of a grid, the last setting changing first."""
        names = [setting.name for setting in self.settings]
        values = product(*(setting.listed() for setting in self.settings))
        return [dict(zip(names, point, strict=True)) for point in values]

    def recipe(self, values: Values) -> Recipe:
        """Put one value of each setting into the recipe; every value is checked by its field.

        Raises:
            UserError: The recipe has no such field, or the values contradict each other.
        """
        recipe = self.base
        for setting in self.settings:
            value = values[setting.name]
            if setting.share_of is not None:
                whole = _number(_field(recipe, setting.share_of), setting)
                value = round(_number(value, setting) * whole)
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
        numbers = [choice for choice in setting.choices if _is_number(choice)]
        if setting.choices and (value in setting.choices or not (numbers and _is_number(value))):
            return value if value in setting.choices else setting.choices[0]
        number = _number(value, setting)
        if setting.share_of is not None:
            number /= _number(_field(self.base, setting.share_of), setting)
        if setting.choices:
            return min(numbers, key=lambda choice: abs(choice - number))
        return min(max(number, setting.low or 0), setting.high or number)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object, setting: Setting) -> int | float:
    if _is_number(value):
        return value
    raise UserError(
        f"'{setting.path}' is {value!r:.40}, no number: it has no range",
        where=f"--over {setting.path}",
        fix="list the values that it may take, with commas between them",
    )


def _field(recipe: Recipe, path: str) -> Value:
    """Read a field of a recipe.

    Raises:
        UserError: There is none, here, or it has fields of its own.
    """
    found: object = recipe
    for name in path.split("."):
        if isinstance(found, BaseModel) and name not in type(found).model_fields:
            raise UserError(
                f"there is no field '{path}'",
                where=f"--over {path}",
                fix=nearest_name(name, tuple(type(found).model_fields)),
            )
        found = getattr(found, name, None)
    if not isinstance(found, bool | int | float | str):
        raise UserError(
            f"the recipe has no value '{path}' to vary",
            where=f"--over {path}",
            fix="leave out the setting that takes it away, or choose a recipe that has it",
        )
    return found
