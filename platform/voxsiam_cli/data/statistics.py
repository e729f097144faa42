"""voxsiam data statistics: the numbers for intensity=standard, from training cases only."""

import json
from pathlib import Path
from typing import Annotated

import typer

from voxsiam_cli.console import Steps, print_json, say
from voxsiam_cli.options import AsJson


def statistics(
    prepared: Annotated[Path, typer.Argument(help="Prepared with intensity=unit, the default.")],
    split: Annotated[
        Path, typer.Option(help="One split, as voxsiam data split writes it: who trains.")
    ],
    as_json: AsJson = False,
) -> None:
    """Compute mean and deviation of the HU over the training cases, and note on whom, in PREPARED.

    Prepare into the same folder afterwards: a split that tests one of these cases is then refused.

    Example: voxsiam data statistics prepared --split split.csv
    """
    from voxsiam_data.prepared.intensity_statistics import compute_statistics, keep_statistics
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_data.splits.leaks import check_split
    from voxsiam_data.splits.split_file import read_one_split

    opened, chosen = open_prepared(prepared), read_one_split(split)
    check_split(chosen, opened, str(split))
    with Steps("statistics") as steps:
        found = compute_statistics(opened, chosen.train, steps if not as_json else _silent)
    record = keep_statistics(opened.root, found)
    if as_json:
        print_json({**found.model_dump(mode="json"), "record": str(record)})
        return
    say(f"mean {found.mean_hu:g} HU, standard deviation {found.std_hu:g} HU")
    say(f"over the {len(found.cases)} training cases: {', '.join(found.cases)}")
    d, h, w = opened.config.grid_dhw
    kept = (f"{name}={json.dumps(v)}" for name, v in opened.config.changed_fields().items())
    settings = " ".join(f"--set '{setting}'" for setting in (*kept, *found.settings))
    say(f"next: voxsiam data prepare SOURCE -o {prepared} --grid {h}x{w}x{d} {settings}")


def _silent(done: int, total: int) -> None:
    del done, total
