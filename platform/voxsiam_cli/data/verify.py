"""voxsiam data verify: every voxel of a prepared set against its record."""

from pathlib import Path
from typing import Annotated

import typer

from voxsiam_cli.console import Steps, print_json, say
from voxsiam_cli.options import AsJson


def verify(
    prepared: Annotated[Path, typer.Argument(help="A prepared set.")], as_json: AsJson = False
) -> None:
    """Compare a prepared set with its seal, its checksums and its record, voxel by voxel.

    Exit code 1 where something is wrong. Example: voxsiam data verify prepared
    """
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_data.prepared.record_seal import read_seal
    from voxsiam_data.prepared.verification import verify_set

    opened = open_prepared(prepared)
    sealed = read_seal(opened.root) is not None
    if as_json:
        found = verify_set(opened)
        print_json({"cases": len(opened.cases), "sealed": sealed, "wrong": found})
    else:
        with Steps("verify") as steps:
            found = verify_set(opened, steps)
        for fault in found:
            say(f"wrong: {fault}")
        if not sealed:
            say("note: no seal: patients and sources could be altered; data prepare writes one")
        say(f"{len(opened.cases)} cases, {len(found)} faults (fingerprint {opened.fingerprint})")
    if found:
        raise typer.Exit(1)
