"""Splits as files: our table with a line a case, or nnU-Net's splits_final.json.

The table has the columns `case_id` and `side` (train, validation or test), and `fold`, counted from
0, where there are several. A case that is not listed in a fold is not used there.

nnU-Net's file is a list of folds, each with the names of `train` and `val` cases. What it calls
`val` takes no part in training there, and its cross-validation is reported on it: here it is the
test. A validation part of ours is drawn from `train`. Where a fold has a list `test` as well, as
other tools write it, that is the test and `val` the validation part.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from voxsiam.durable_files import write_text_atomically
from voxsiam.errors import UserError
from voxsiam.types import Split
from voxsiam_data.text_files import read_csv_rows, read_json

SIDES = ("train", "validation", "test")
MAX_FOLDS = 1000
_NNUNET_SIDES = ("train", "val", "test")
_NNUNET_FORM = 'write [{"train": ["case", ...], "val": [...]}, ...], as nnU-Net does'


def read_splits(path: Path) -> tuple[Split, ...]:
    """Read every fold of a .csv or .json file; each must have training and test cases."""
    if path.suffix == ".pkl":
        raise UserError(
            "A pickle is not read: it can run any program.",
            where=str(path),
            fix="give splits_final.json, which nnU-Net v2 writes, or a table case_id,side",
        )
    splits = _read_nnunet(path) if path.suffix == ".json" else _read_table(path)
    for fold, split in enumerate(splits):
        for side, ids in (("train", split.train), ("test", split.test)):
            if not ids:
                raise UserError(
                    f"In fold {fold} no case is on the side '{side}'.",
                    where=str(path),
                    fix=f"list at least one case that is to {side}",
                )
    return splits


def read_one_split(path: Path) -> Split:
    """Read a file of one fold."""
    splits = read_splits(path)
    if len(splits) != 1:
        raise UserError(
            f"The file holds {len(splits)} folds.",
            where=str(path),
            fix=f"write one of them: voxsiam data split PREPARED --from {path.name} --fold 0 "
            "-o fold0.csv",
        )
    return splits[0]


def write_splits(path: Path, splits: Sequence[Split]) -> None:
    """Write folds in the form that the file's name asks for.

    nnU-Net's file has no third side: its `val` is our test, and our validation cases train.
    """
    forms = {".csv": _table_text, ".json": _nnunet_text}
    if path.suffix not in forms:
        raise UserError(
            "The form of the file is not clear from its name.",
            where=str(path),
            fix="call it .csv (a table case_id,side), or .json (splits_final.json of nnU-Net)",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, forms[path.suffix](splits))
    except OSError as error:
        raise UserError(
            f"The file cannot be written ({error.strerror}).",
            where=str(path),
            fix="choose another place",
        ) from error


def _read_table(path: Path) -> tuple[Split, ...]:
    if not path.is_file():
        raise UserError("The file does not exist.", where=str(path), fix="check the path")
    sides: dict[int, dict[str, list[str]]] = {}
    seen: set[tuple[int, str]] = set()
    for number, row in enumerate(read_csv_rows(path, ("case_id", "side")), start=2):
        fold = _fold_number(path, number, row.get("fold") or "0")
        side, case_id = row["side"], row["case_id"]
        if side not in SIDES:
            raise _bad_line(path, number, f"names the side {side[:40]!r}", f"use {SIDES}")
        if (fold, case_id) in seen:
            raise _bad_line(path, number, f"lists {case_id[:80]!r} again", "list each case once")
        seen.add((fold, case_id))
        sides.setdefault(fold, {name: [] for name in SIDES})[side].append(case_id)
    if sorted(sides) != list(range(len(sides))) or not sides:
        raise UserError(
            f"The folds are {sorted(sides)[:10]}.", where=str(path), fix="number them from 0"
        )
    return tuple(
        Split(**{name: tuple(sorted(ids)) for name, ids in sides[fold].items()})
        for fold in range(len(sides))
    )


def _fold_number(path: Path, number: int, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < MAX_FOLDS):
        raise _bad_line(path, number, f"names the fold {text[:40]!r}", "count folds from 0")
    return int(text)


def _bad_line(path: Path, number: int, what: str, fix: str) -> UserError:
    return UserError(f"Line {number} {what}.", where=str(path), fix=fix)


def _table_text(splits: Iterable[Split]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("fold", "case_id", "side"))
    for fold, split in enumerate(splits):
        for side in SIDES:
            writer.writerows((fold, case_id, side) for case_id in getattr(split, side))
    return text.getvalue()


def _read_nnunet(path: Path) -> tuple[Split, ...]:
    folds = read_json(path)
    if not isinstance(folds, list) or not folds:
        raise UserError("It holds no list of folds.", where=str(path), fix=_NNUNET_FORM)
    return tuple(_read_nnunet_fold(path, number, fold) for number, fold in enumerate(folds))


def _read_nnunet_fold(path: Path, number: int, fold: object) -> Split:
    if not isinstance(fold, Mapping):
        raise UserError(f"Fold {number} is no table.", where=str(path), fix=_NNUNET_FORM)
    others = [str(name)[:40] for name in fold if name not in _NNUNET_SIDES]
    if others:
        raise UserError(
            f"Fold {number} has a list '{others[0]}', which is none of {', '.join(_NNUNET_SIDES)}.",
            where=str(path),
            fix="leave it out, or call it train, val or test",
        )
    train, val = (_case_ids(path, number, fold, side) for side in ("train", "val"))
    if "test" not in fold:
        return Split(train=train, test=val)
    return Split(train=train, validation=val, test=_case_ids(path, number, fold, "test"))


def _case_ids(path: Path, number: int, fold: Mapping[object, object], side: str) -> tuple[str, ...]:
    names = fold.get(side)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        what = f"Fold {number} has no list '{side}' of names."
        raise UserError(what, where=str(path), fix=_NNUNET_FORM)
    if len(set(names)) < len(names):
        raise UserError(
            f"Fold {number} lists a case twice under '{side}'.",
            where=str(path),
            fix="list each case once",
        )
    return tuple(sorted(names))


def _nnunet_text(splits: Iterable[Split]) -> str:
    folds = [
        {"train": sorted((*split.train, *split.validation)), "val": sorted(split.test)}
        for split in splits
    ]
    return json.dumps(folds, indent=4)
