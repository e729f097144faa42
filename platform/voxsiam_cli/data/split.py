"""voxsiam data split: who trains, who validates, who tests; and a look for leaks."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from voxsiam.errors import UserError
from voxsiam.orchestration.runs.plan import split_fingerprint
from voxsiam.types import Split
from voxsiam_cli.console import console, print_json, say
from voxsiam_cli.options import AsJson, output_option
from voxsiam_data.splits.split_file import read_splits, write_splits

if TYPE_CHECKING:
    from voxsiam_data.prepared.prepared_set import PreparedSet

SHOWN = ("fold", "train", "validation", "test", "unused", "patients", "sources of the test")


def split(  # noqa: PLR0913
    prepared: Annotated[Path, typer.Argument(help="A prepared set.")],
    test_fraction: Annotated[
        float | None, typer.Option(help="Of all cases; default 2/9, the paper's 20 of 90.")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validation instead.")] = None,
    given: Annotated[
        Path | None, typer.Option("--from", help="Fixed lists: splits_final.json, or a .csv.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=0, help="Keep this fold alone.")] = None,
    validation_fraction: Annotated[
        float, typer.Option(help="Of the training cases, drawn where --from names none.")
    ] = 0.0,
    fraction: Annotated[
        float, typer.Option(help="Train on this part of the training cases (Fig. 7).")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Names the draw.")] = 0,
    output: Annotated[Path | None, output_option("Write .csv, or nnU-Net's .json.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw or read a split, by patient and evenly over the sources, and refuse one that leaks.

    With one seed, the part for a smaller --fraction lies inside that for a larger one. Examples:

    voxsiam data split prepared -o split.csv

    voxsiam data split prepared --folds 5 -o splits_final.json

    voxsiam data split prepared --from splits_final.json --fold 0 --fraction 0.1 -o tenth.csv
    """
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_data.splits.absent_organs import absent_organs
    from voxsiam_data.splits.leaks import check_split

    opened = open_prepared(prepared)
    drawn = _splits(opened, test_fraction, folds, given, validation_fraction, seed)
    drawn = drawn if fold is None else _one_of(drawn, fold)
    notes = {note for each in drawn for note in check_split(each, opened, str(given or prepared))}
    splits = _adapted(drawn, opened, validation_fraction, fraction, seed)
    notes |= {note for each in splits for note in absent_organs(each, opened)}
    if output is not None:
        write_splits(output, splits)
    if as_json:
        print_json({"splits": [_described(each) for each in splits], "notes": sorted(notes)})
        return
    _show(opened, splits, str(prepared))
    for note in sorted(notes):
        say(f"note: {note}", "yellow")
    if output is not None and len(splits) == 1 and output.suffix == ".csv":
        say(f"next: voxsiam study run table3 --data {prepared} --split {output}")
    elif output is not None and len(splits) > 1:
        say(f"next: voxsiam data split {prepared} --from {output} --fold 0 -o fold0.csv")


def _splits(
    prepared: "PreparedSet",
    test_fraction: float | None,
    folds: int | None,
    given: Path | None,
    validation_fraction: float,
    seed: int,
) -> Sequence[Split]:
    """Split in the one way that was asked for."""
    from voxsiam_data.splits.folds import fold_cases
    from voxsiam_data.splits.holdout import PAPER_TEST_FRACTION, split_cases

    ways = {"--test-fraction": test_fraction, "--folds": folds, "--from": given}
    asked = [name for name, value in ways.items() if value is not None]
    if len(asked) > 1:
        raise UserError(
            f"{' and '.join(asked)} are different ways to split.",
            where=asked[1],
            fix="give one of them",
        )
    if given is not None:
        return read_splits(given)
    cases, validation = prepared.cases, validation_fraction
    if folds is not None:
        return fold_cases(cases, folds=folds, validation_fraction=validation, seed=seed)
    test = PAPER_TEST_FRACTION if test_fraction is None else test_fraction
    return [split_cases(cases, test_fraction=test, validation_fraction=validation, seed=seed)]


def _one_of(splits: Sequence[Split], fold: int) -> Sequence[Split]:
    if fold >= len(splits):
        raise UserError(
            f"There is no fold {fold}.", where="--fold", fix=f"use 0 to {len(splits) - 1}"
        )
    return splits[fold : fold + 1]


def _adapted(
    splits: Sequence[Split],
    prepared: "PreparedSet",
    validation_fraction: float,
    fraction: float,
    seed: int,
) -> list[Split]:
    """Draw the validation part that fixed lists leave open, then thin out the training cases."""
    from voxsiam_data.splits.holdout import with_validation
    from voxsiam_data.splits.label_fraction import with_label_fraction

    cases, validation = prepared.cases, validation_fraction
    whole = [with_validation(each, cases, fraction=validation, seed=seed) for each in splits]
    return [with_label_fraction(each, cases, fraction=fraction, seed=seed) for each in whole]


def _described(split: Split) -> dict[str, Any]:
    return {**split.model_dump(mode="json"), "fingerprint": split_fingerprint(split)}


def _show(prepared: "PreparedSet", splits: Sequence[Split], title: str) -> None:
    cases = {case.case_id: case for case in prepared.cases}
    table = Table(*SHOWN, title=title)
    for fold, each in enumerate(splits):
        used = [*each.train, *each.validation, *each.test]
        sources = Counter(cases[case_id].source for case_id in each.test)
        counts = (len(each.train), len(each.validation), len(each.test), len(cases) - len(used))
        patients = len({cases[case_id].patient_id for case_id in used})
        listed = ", ".join(f"{source} {count}" for source, count in sorted(sources.items()))
        table.add_row(str(fold), *map(str, (*counts, patients)), listed)
    console.print(table)
