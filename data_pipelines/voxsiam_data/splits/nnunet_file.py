"""nnU-Net's splits_final.json: a list of folds, each with the names of `train` and `val` cases.

What nnU-Net calls `val` takes no part in training there, and its cross-validation is reported on
it: here it is the test. A validation part of ours is drawn from `train`. Where a fold has a list
`test` as well, as other tools write it, that is the test and `val` the validation part.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.types import Split
from voxsiam_data.text_files import read_json

_SIDES = ("train", "val", "test")
_FORM = 'write [{"train": ["case", ...], "val": [...]}, ...], as nnU-Net does'


def read_nnunet(path: Path) -> tuple[Split, ...]:
    """Read every fold; `val` becomes the test side, unless there is a list `test`.

    Raises:
        UserError: The file is no list of folds, or a fold lists a case twice or has a list of
            another name.
    """
    folds = read_json(path)
    if not isinstance(folds, list) or not folds:
        raise UserError("It holds no list of folds.", where=str(path), fix=_FORM)
    return tuple(_read_fold(path, number, fold) for number, fold in enumerate(folds))


def nnunet_text(splits: Iterable[Split]) -> str:
    """Write folds as nnU-Net does; validation cases stand under `train`."""
    folds = [
        {"train": sorted((*split.train, *split.validation)), "val": sorted(split.test)}
        for split in splits
    ]
    return json.dumps(folds, indent=4)


def _read_fold(path: Path, number: int, fold: object) -> Split:
    if not isinstance(fold, Mapping):
        raise UserError(f"Fold {number} is no table.", where=str(path), fix=_FORM)
    others = [str(name)[:40] for name in fold if name not in _SIDES]
    if others:
        raise UserError(
            f"Fold {number} has a list '{others[0]}', which is none of {', '.join(_SIDES)}.",
            where=str(path),
            fix="leave it out, or call it train, val or test",
        )
    train, val = (_ids(path, number, fold, side) for side in ("train", "val"))
    if "test" not in fold:
        return Split(train=train, test=val)
    return Split(train=train, validation=val, test=_ids(path, number, fold, "test"))


def _ids(path: Path, number: int, fold: Mapping[object, object], side: str) -> tuple[str, ...]:
    names = fold.get(side)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"Fold {number} has no list '{side}' of names.", where=str(path), fix=_FORM)
    if len(set(names)) < len(names):
        raise UserError(
            f"Fold {number} lists a case twice under '{side}'.",
            where=str(path),
            fix="list each case once",
        )
    return tuple(sorted(names))
