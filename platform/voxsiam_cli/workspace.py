"""voxsiam workspace: the folder that holds everything a run writes, opened, listed and repaired."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.workspace import Workspace as Folder
from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Workspace

Use = Literal["look", "change", "train"]
"""Looking needs no right to write; only training makes a workspace where there is none."""

app = typer.Typer(help="The folder that holds everything a run writes.", no_args_is_help=True)


def open_workspace(folder: Path, use: Use, *, as_json: bool = False) -> Folder:
    """Open the workspace of a command and say which it is, unless the output is for machines."""
    workspace = Folder(folder, may_write=use == "train")
    if use == "change":
        workspace = Folder(folder)
    if not as_json:
        say(f"workspace: {workspace.root}")
    return workspace


def ledger_readers(workspace: Folder) -> Iterator[Callable[[], Ledger | SweepLedger]]:
    """Return for each study and sweep what reads its ledger, which may be damaged."""
    for path in sorted(workspace.study("").glob("*/ledger.json")):
        yield lambda path=path: Ledger.read(path)
    for path in sorted(workspace.sweep("").glob("*/plan.json")):
        yield lambda folder=path.parent: SweepLedger.read(workspace, folder)


@app.callback()
def group() -> None:
    """Keep `repair` a command of its own while it is the only one."""


@app.command()
def repair(
    workspace: Workspace = DEFAULT_WORKSPACE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, only say.")] = False,
) -> None:
    """Rewrite the whole paths that version 0.1.0 kept, so that they are the workspace's own.

    It may be used without: such paths are understood wherever the workspace lies now. What is right
    already is left alone; what cannot be read is named, left as it is, and the exit code is 1.

    Examples:
    voxsiam workspace repair --dry-run

    voxsiam workspace repair --workspace /archive/voxsiam-workspace
    """
    folder = open_workspace(workspace, "look" if dry_run else "change")
    ledgers, unread = _repair_ledgers(folder, dry_run=dry_run)
    done = [f"{path.relative_to(folder.root)} (its paths)" for path in ledgers]
    done += _repair_names(folder, dry_run=dry_run)
    for line in done:
        say(f"{'would be rewritten' if dry_run else 'rewritten'}: {line}")
    for error in unread:
        say(f"cannot be read: {error.where} ({error.what})", "red")
    if not done and not unread:
        say("there is nothing to repair.")
    if unread:
        raise typer.Exit(1)


def _repair_ledgers(workspace: Folder, *, dry_run: bool) -> tuple[list[Path], list[UserError]]:
    """Rewrite the ledgers that name another place; return also what cannot be read."""
    done: list[Path] = []
    unread: list[UserError] = []
    for read in ledger_readers(workspace):
        try:
            ledger = read()
            if ledger.keeps_whole_paths():
                if not dry_run:
                    with ledger.held():
                        ledger.rewrite()
                done.append(ledger.path)
        except UserError as error:
            unread.append(error)
    return done, unread


def _repair_names(workspace: Folder, *, dry_run: bool) -> Iterator[str]:
    """Let MLflow's database name this place, and reports be named by their studies."""
    from voxsiam.orchestration.tracking.artifact_place import claim_artifacts, names_other_place
    from voxsiam_dashboards.reports.newest import adopt_earlier, earlier_reports

    uri = workspace.tracking_uri
    if names_other_place(uri):
        yield "mlflow.db (where the artifacts of its runs lie)"
        if not dry_run:
            claim_artifacts(uri)
    for name, own_id in earlier_reports(workspace.reports):
        yield f"reports/{name} (now reports/{own_id})"
        if not dry_run:
            adopt_earlier(workspace.reports, name)
