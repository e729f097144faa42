"""A workspace of version 0.1.0, or one that lay elsewhere, written anew where it lies."""

from collections.abc import Callable, Iterator
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.tracking.artifact_place import claim_artifacts, names_other_place
from voxsiam.orchestration.workspace import Workspace
from voxsiam_dashboards.reports.newest import adopt_earlier, earlier_reports


def repair_workspace(workspace: Workspace, *, dry_run: bool) -> tuple[list[str], list[UserError]]:
    """Rewrite what names another place, once.

    Args:
        workspace: It is changed in place; nothing outside of it is.
        dry_run: Only tell what would be done.

    Returns:
        What was, or would be, rewritten; and what cannot be read, which is left as it is.
    """
    ledgers, unread = _repair_ledgers(workspace, dry_run=dry_run)
    done = [f"{path.relative_to(workspace.root)} (its paths)" for path in ledgers]
    uri = workspace.tracking_uri
    if names_other_place(uri):
        done.append("mlflow.db (where the artifacts of its runs lie)")
        if not dry_run:
            claim_artifacts(uri)
    for name, own_id in earlier_reports(workspace.reports):
        done.append(f"reports/{name} (now reports/{own_id})")
        if not dry_run:
            adopt_earlier(workspace.reports, name)
    return done, unread


def _repair_ledgers(workspace: Workspace, *, dry_run: bool) -> tuple[list[Path], list[UserError]]:
    done: list[Path] = []
    unread: list[UserError] = []
    for open_ledger in _ledgers(workspace):
        try:
            ledger = open_ledger()
            if ledger.keeps_whole_paths():
                if not dry_run:
                    with ledger.held():
                        ledger.rewrite()
                done.append(ledger.path)
        except UserError as error:
            unread.append(error)
    return done, unread


def _ledgers(workspace: Workspace) -> Iterator[Callable[[], Ledger | SweepLedger]]:
    for path in sorted(workspace.study("").glob("*/ledger.json")):
        yield lambda path=path: Ledger.read(path)
    for path in sorted(workspace.sweep("").glob("*/plan.json")):
        yield lambda folder=path.parent: SweepLedger.read(workspace, folder)
