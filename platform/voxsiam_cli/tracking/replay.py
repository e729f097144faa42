"""What a tracking server has missed, written when it is back: `voxsiam tracking replay`."""

from voxsiam.orchestration.studies.ledger import Ledger, find_ledgers
from voxsiam.orchestration.sweeps.ledger import SweepLedger, find_sweeps
from voxsiam.orchestration.tracking.outbox import outbox_of
from voxsiam.orchestration.tracking.parent_run import parent_of_study, parent_of_sweep
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.console import say


def replay_all(workspace: Workspace) -> int:
    """Tell MLflow what studies and sweeps of a workspace could not; count what still waits."""
    ledgers = [*find_ledgers(workspace), *find_sweeps(workspace)]
    left = sum(_replay(workspace, ledger) for ledger in ledgers)
    say("MLflow has been told everything." if not left else f"{left} events still wait.")
    return left


def _replay(workspace: Workspace, ledger: Ledger | SweepLedger) -> int:
    if isinstance(ledger, Ledger):
        parent_run = parent_of_study(ledger.plan, ledger.commit)
    else:
        parent_run = parent_of_sweep(ledger.plan)
    waiting = len(outbox_of(workspace, parent_run))
    if not waiting:
        return 0
    with ledger.held():
        left = StudyTracker(workspace, parent_run, reopen=False).waiting
    say(f"{parent_run.request_id}: {waiting - left} of {waiting} events written")
    return left
