"""Typed overrides of a recipe: `--set optimiser.learning_rate=0.01`."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from voxsiam.errors import UserError, nearest_name
from voxsiam.training.config import Recipe


def override(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Set fields of a recipe by their dotted names; every value is checked by its field's type.

    Raises:
        UserError: Not of the form name=value, an unknown field, or a value of the wrong type.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise UserError(
                f"'{setting}' is not of the form name=value",
                where="--set",
                fix="for example: --set optimiser.learning_rate=0.001",
            )
        tree = _with(recipe, path.strip().split("."), _value(text.strip()), path)
        recipe = _validated(tree, setting)
    return recipe


def _with(model: BaseModel, path: list[str], value: Any, whole: str) -> dict[str, Any]:  # noqa: ANN401
    name, rest = path[0], path[1:]
    fields = tuple(type(model).model_fields)
    if name not in fields:
        raise UserError(
            f"a recipe has no field '{whole}'",
            where=f"--set {whole}",
            fix=nearest_name(name, fields),
        )
    tree = model.model_dump()
    child = getattr(model, name)
    if not rest:
        tree[name] = value
    elif isinstance(child, BaseModel):
        tree[name] = _with(child, rest, value, whole)
    else:
        raise UserError(
            f"'{name}' has no fields of its own here",
            where=f"--set {whole}",
            fix=f"set {name} itself, or choose a row that has it",
        )
    return tree


def _validated(tree: dict[str, Any], setting: str) -> Recipe:
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{first['msg'].lower()}", where=f"--set {setting}", fix="give a value that fits"
        ) from None


def _value(text: str) -> Any:  # noqa: ANN401
    """Read a number, true, false or null; anything else is a string."""
    try:
        return json.loads(text)
    except ValueError:
        return text
