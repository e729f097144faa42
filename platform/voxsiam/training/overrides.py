"""Typed overrides of a configuration: `--set optimiser.learning_rate=0.01`."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from voxsiam.errors import UserError, nearest_name

Config = TypeVar("Config", bound=BaseModel)


def override(config: Config, settings: Iterable[str], example: str = "") -> Config:
    """Set fields by their dotted names; every value is checked by its field's type.

    The result is validated once all are set, so that fields which need each other can be given in
    any order.

    Args:
        config: What is changed: a recipe, or how data are prepared.
        example: A setting that fits this configuration, to show what the form is.
    """
    asked = tuple(settings)
    tree = config.model_dump()
    for setting in asked:
        path, equals, text = setting.partition("=")
        if not equals:
            raise UserError(
                f"'{setting}' is not of the form name=value",
                where="--set",
                fix=f"for example: --set {example or 'optimiser.learning_rate=0.001'}",
            )
        _set(tree, path.strip(), _value(text.strip()))
    try:
        return type(config).model_validate(tree)
    except ValidationError as error:
        raise _refused(error, asked) from None


def _set(tree: dict[str, Any], path: str, value: Any) -> None:  # noqa: ANN401
    names = path.split(".")
    for name, inner in zip(names, [*names[1:], None], strict=True):
        if name not in tree:
            raise UserError(
                f"there is no field '{path}'",
                where=f"--set {path}",
                fix=nearest_name(name, tuple(tree)),
            )
        if inner is None:
            tree[name] = value
        elif not isinstance(tree[name], dict):
            raise UserError(
                f"'{name}' has no fields of its own here",
                where=f"--set {path}",
                fix=f"set {name} itself, or choose a row that has it",
            )
        else:
            tree = tree[name]


def _refused(error: ValidationError, settings: Sequence[str]) -> UserError:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    # A contradiction between fields has no location: then all settings are named.
    blamed = [s for s in settings if {*s.partition("=")[0].strip().split(".")} <= {*first["loc"]}]
    return UserError(
        message[:1].lower() + message[1:],
        where=f"--set {' '.join(blamed or settings)}",
        fix="give values that fit",
    )


def _value(text: str) -> Any:  # noqa: ANN401
    """Read a number, true, false, null or a list; anything else is a string."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
