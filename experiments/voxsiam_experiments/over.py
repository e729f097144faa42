"""What `--over` says: a field of the recipe, and the values that it may take.

optimiser.learning_rate=1e-4..1e-2:log     a range, drawn evenly on a logarithmic scale
epochs=10..50                              whole numbers
network.width=8,16,32                      one of these
"""

import json
import re
from collections.abc import Sequence

from pydantic import ValidationError

from voxsiam.errors import UserError
from voxsiam.orchestration.sweeps.space import Setting, Value
from voxsiam.training.recipe import Recipe
from voxsiam_experiments.sweeps import Sweep

EXAMPLE = "for example: --over optimiser.learning_rate=1e-4..1e-2:log"
_RANGE = re.compile(r"(.+?)\.\.(.+?)(:log)?")
_MOST_LETTERS = 40


def own_sweep(over: Sequence[str], recipe: Recipe) -> Sweep:
    """Put a search together that varies fields of a recipe, named after them.

    Raises:
        UserError: A field is given twice, or without at least two values.
    """
    settings = [parse_setting(text) for text in over]
    paths = [setting.path for setting in settings]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise UserError(f"'{twice}' is given twice", where=f"--over {twice}", fix="give it once")
    tails = [path.rpartition(".")[2] for path in paths]
    names = [
        path if tails.count(tail) > 1 else tail for path, tail in zip(paths, tails, strict=True)
    ]
    named = tuple(
        setting.model_copy(update={"name": name})
        for setting, name in zip(settings, names, strict=True)
    )
    return Sweep(
        name="-".join(tails)[:_MOST_LETTERS].rstrip("-_."),
        title=f"Which {' and '.join(names)}?",
        settings=named,
        recipe=recipe,
        file="--over",
    )


def parse_setting(text: str) -> Setting:
    """Read FIELD=LOW..HIGH, FIELD=LOW..HIGH:log or FIELD=VALUE,VALUE,...

    Raises:
        UserError: It is none of these, or leaves nothing to search.
    """
    path, equals, told = (part.strip() for part in text.partition("="))
    if not path or not equals or not told:
        raise UserError(f"'{text}' says not what to vary", where="--over", fix=EXAMPLE)
    asked = _RANGE.fullmatch(told)
    try:
        if asked:
            low, high = _number(asked[1]), _number(asked[2])
            return Setting(name=path, path=path, low=low, high=high, log=bool(asked[3]))
        choices = tuple(_value(part.strip()) for part in told.split(","))
    except (ValueError, ValidationError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UserError(
            f"'{told}' is no range ({why.removeprefix('Value error, ')})",
            where=f"--over {path}",
            fix=f"give the smaller number first; {EXAMPLE}",
        ) from None
    if len(set(choices)) < 2 or "" in choices:
        raise UserError(
            f"'{told}' leaves nothing to search",
            where=f"--over {path}",
            fix="give two values or more, or set it: --set",
        )
    return Setting(name=path, path=path, choices=tuple(dict.fromkeys(choices)))


def _number(text: str) -> int | float:
    """Read a number; one without point and exponent is whole."""
    return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else float(text)


def _value(text: str) -> Value:
    """Read a number, true, false, or a word."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, bool | int | float | str) else text
