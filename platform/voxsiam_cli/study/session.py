"""One study from plan to report: what `voxsiam study run` and `resume` do."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer

from voxsiam.errors import UserError, is_stop
from voxsiam.orchestration.cluster.capacity import Capacity, worker_resources
from voxsiam.orchestration.cluster.node_checks import check_data
from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.cluster.training_node import on_training_node
from voxsiam.orchestration.runs.trial_plan import TrialPlan
from voxsiam.orchestration.studies.job import run_study
from voxsiam.orchestration.studies.ledger import Ledger, StudyPlan, find_ledgers
from voxsiam.orchestration.tracking.store import check_store
from voxsiam.orchestration.tracking.store_address import check_address
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.tracking.tracked_job import tracked_study
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.console import say
from voxsiam_cli.data.prepared import require_prepared
from voxsiam_cli.study.live import LiveStudy
from voxsiam_cli.study.report import report_study
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared
from voxsiam_data.prepared.stream import open_volumes
from voxsiam_experiments.plan import Choices, check_choices, plan_study, request_id
from voxsiam_experiments.presets import Preset
from voxsiam_experiments.table import Table


def start_study(
    table: Table, preset: Preset, data: Path | None, choices: Choices, workspace: Workspace
) -> None:
    """Plan a study and run it; a request that was made before goes on where it stopped."""
    check_choices(table, preset, choices)
    check_address(workspace.tracking_uri)
    with ray_instance(workspace, worker_resources(choices.gpu_share)) as capacity:
        capacity.trials_at_once(choices.workers or preset.workers, choices.gpu_share)
        check_store(workspace.tracking_uri, len(capacity.nodes))
        prepared = require_prepared(data, preset, workspace)
        now = Capacity.of_cluster()  # a node may have died, or joined, meanwhile
        known = _ledger_of(workspace, request_id(table, preset, prepared, choices))
        asked = (table, preset, prepared, choices, workspace)
        plan = known.plan if known else on_training_node(now, plan_study, *asked)
        ledger = known or Ledger.create(workspace, plan)
        go_on = _go_on(plan.study_id, workspace)
        failed = run_ledger(ledger, workspace, now, go_on)
    report_study(ledger, workspace)
    exit_on_failure(failed, go_on)


def resume_study(ledger: Ledger, workspace: Workspace) -> None:
    """Go on with a study: finished trials are left alone, half-finished ones continue."""
    go_on = _go_on(ledger.plan.study_id, workspace)
    check_address(workspace.tracking_uri)
    with ray_instance(workspace, worker_resources(ledger.plan.gpu_share)) as capacity:
        check_store(workspace.tracking_uri, len(capacity.nodes))
        failed = run_ledger(ledger, workspace, capacity, go_on)
    report_study(ledger, workspace)
    exit_on_failure(failed, go_on)


def run_ledger(
    ledger: Ledger, workspace: Workspace, capacity: Capacity, go_on: str
) -> list[TrialPlan]:
    """Run what a ledger still asks for, tracked and shown; return the trials that failed.

    Args:
        ledger: Of the study.
        workspace: Holds its runs.
        capacity: Of the cluster.
        go_on: The command that goes on after an interruption.
    """
    plan = ledger.plan
    _require_this_method(plan)
    with ExitStack() as held:
        held.enter_context(ledger.held())
        todo = ledger.unfinished()
        if not ledger.seals:
            done = len(plan.trials) - len(todo)
            ledger.seal(f"planned without a seal, sealed with {done} of {len(plan.trials)} trained")
        tracker = StudyTracker(workspace, tracked_study(plan, ledger.commit))
        tracker.complete_finished(ledger.finished())
        for trial in todo:
            if ledger.state(trial) == "lost":
                say(f"{trial.name} had finished; its result is gone and it is trained again", "red")
        say(f"{plan.study_id}: {len(todo)} of {len(plan.trials)} trials to do")
        held.enter_context(_resumable(go_on, tracker))
        fingerprint = plan.trials[0].run.data.fingerprint
        slots = capacity.trials_at_once(plan.workers, plan.gpu_share)
        load = open_volumes(open_planned(plan.prepared, fingerprint, capacity))
        live = held.enter_context(LiveStudy(ledger, min(slots, max(len(todo), 1))))
        failed = run_study(ledger, load, workspace, capacity, [tracker, live])
        tracker.complete_finished(ledger.finished())
        tracker.study_ended("failed" if failed else "finished")
    _print_start_up(live)
    return failed


def _require_this_method(plan: StudyPlan) -> None:
    """Refuse to go on with what another version of the method began: results would mix."""
    if any(trial.run.directory.name != trial.run.run_id for trial in plan.trials):
        raise UserError(
            "this study was planned by another version of the method",
            where=plan.study_id,
            fix=f"start it anew: voxsiam study run {plan.study}, or use the version that began it",
        )


def open_planned(folder: Path, fingerprint: str, capacity: Capacity) -> PreparedSet:
    """Open the volumes that a study was planned on; every node must see them.

    Raises:
        UserError: The prepared set is gone or was made anew otherwise: results would mix. Or some
            node sees another one.
    """
    prepared = open_prepared(folder)
    if prepared.fingerprint != fingerprint:
        raise UserError(
            "the prepared set has changed since this was planned",
            where=str(folder),
            fix="prepare it again as it was, or start anew with the run command",
        )
    check_data(capacity.nodes, prepared.record_file)
    return prepared


@contextmanager
def _resumable(go_on: str, tracker: StudyTracker) -> Iterator[None]:
    """Whatever ends the study early, end the parent run too; after Ctrl-C say how to go on."""
    try:
        yield
    except BaseException as error:
        stopped = is_stop(error)
        if stopped:
            say("stopped; finished epochs are kept.", "yellow")
            say(f"go on with: {go_on}")
        tracker.study_ended("interrupted" if stopped else "failed")
        raise


def exit_on_failure(failed: Sequence[TrialPlan], go_on: str) -> None:
    """Name the trials that failed and end with 1; nothing where none did."""
    if not failed:
        return
    for trial in failed:
        say(f"failed: {trial.name}: {trial.run.failure() or 'its process died'}", "red")
    say(f"try them again: {go_on}")
    raise typer.Exit(1)


def _go_on(study_id: str, workspace: Workspace) -> str:
    return f"voxsiam study resume {study_id} --workspace {workspace.quoted}"


def _ledger_of(workspace: Workspace, study_id: str) -> Ledger | None:
    ledgers = [ledger for ledger in find_ledgers(workspace) if ledger.plan.study_id == study_id]
    return ledgers[0] if ledgers else None


def _print_start_up(live: LiveStudy) -> None:
    if live.first_step_s is not None:
        say(
            f"first optimiser step {live.first_step_s:.1f} s after the trials were started, "
            f"{live.first_step_after_command_s:.1f} s after the command",
            "dim",
        )
    if live.gaps_s:
        mean = sum(live.gaps_s) / len(live.gaps_s)
        say(f"between two trials {mean:.1f} s on average", "dim")
