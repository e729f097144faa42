"""One study from plan to report: what `voxsiam study run` and `resume` do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import typer

from voxsiam.errors import UserError, is_stop
from voxsiam.orchestration.cluster.capacity import Capacity, worker_resources
from voxsiam.orchestration.cluster.node_checks import check_data
from voxsiam.orchestration.cluster.ray_instance import ray_instance
from voxsiam.orchestration.cluster.training_node import on_training_node
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.studies.ledger import Ledger, find_ledgers
from voxsiam.orchestration.studies.table import Table
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.store import check_address, check_store
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.console import live_table, say
from voxsiam_cli.data.prepared import fetch_data, require_prepared
from voxsiam_cli.study.live import LiveStudy
from voxsiam_cli.study.report import report_study
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared
from voxsiam_data.prepared.stream import open_volumes
from voxsiam_experiments.plan import check_choices, plan_study, request_id
from voxsiam_experiments.presets import Choices, Preset
from voxsiam_experiments.studies import differing_rows, table_of


def start_study(
    table: Table, preset: Preset, data: str | None, choices: Choices, workspace: Workspace
) -> None:
    """Plan a study and run it; a request that was made before goes on where it stopped."""
    check_choices(table, preset, choices)
    place = fetch_data(data, workspace)
    with cluster_to_train(workspace, choices.workers or preset.workers, choices.gpu_share):
        prepared = require_prepared(place, preset, workspace)
        now = Capacity.of_cluster()  # a node may have died, or joined, meanwhile
        asked = (table, preset, prepared, choices)
        study_id = request_id(*asked)
        known = (one for one in find_ledgers(workspace) if one.plan.study_id == study_id)
        ledger = next(known, None)
        if ledger is None:
            _require_finished(table, workspace)
            plan = on_training_node(now, plan_study, *asked, workspace)
            ledger = Ledger.create(workspace, plan)
        go_on = resume_command("study", study_id, workspace)
        failed = run_ledger(ledger, workspace, now, go_on)
    report_study(ledger, workspace)
    exit_on_failure(failed, go_on)


def _require_finished(table: Table, workspace: Workspace) -> None:
    """Refuse to begin anew what a file declared otherwise while that is half finished."""
    if not table.file:
        return
    for ledger in find_ledgers(workspace, table.name):
        differing = differing_rows(table, table_of(ledger.plan))
        if differing and ledger.unfinished():
            study_id = ledger.plan.study_id
            raise UserError(
                f"'{study_id}' is half finished, and the file declares other rows now: "
                f"{'; '.join(differing)}",
                where=table.file,
                fix=f"finish it first (voxsiam study resume {study_id}), or give the table another "
                "name",
            )


def resume_study(ledger: Ledger, workspace: Workspace) -> None:
    """Go on with a study: finished trials are left alone, half-finished ones continue."""
    plan = ledger.plan
    go_on = resume_command("study", plan.study_id, workspace)
    with cluster_to_train(workspace, plan.workers, plan.gpu_share) as capacity:
        failed = run_ledger(ledger, workspace, capacity, go_on)
    report_study(ledger, workspace)
    exit_on_failure(failed, go_on)


def resume_command(kind: Literal["study", "sweep"], own_id: str, workspace: Workspace) -> str:
    """Return the command that goes on after an interruption."""
    return f"voxsiam {kind} resume {own_id} --workspace {workspace.quoted}"


@contextmanager
def cluster_to_train(workspace: Workspace, workers: int, gpu_share: float) -> Iterator[Capacity]:
    """Join the cluster, or start Ray here, and see that a trial has room and MLflow answers.

    Args:
        workers: Of a trial.
        gpu_share: Part of a GPU that each holds, where there are GPUs.
    """
    check_address(workspace.tracking_uri)
    with ray_instance(workspace, worker_resources(gpu_share)) as capacity:
        capacity.trials_at_once(workers, gpu_share)
        check_store(workspace.tracking_uri, len(capacity.nodes))
        yield capacity


def run_ledger(
    ledger: Ledger, workspace: Workspace, capacity: Capacity, go_on: str
) -> list[PlannedRun]:
    """Run what a ledger still asks for, tracked and shown; return the trials that failed."""
    plan = ledger.plan
    if any(planned.run.directory.name != planned.run.run_id for planned in plan.trials):
        raise UserError(  # results would mix
            "this study was planned by another version of the method",
            where=plan.study_id,
            fix=f"start it anew: voxsiam study run {plan.study}, or use the version that began it",
        )
    with ExitStack() as held:
        held.enter_context(ledger.held())
        todo = ledger.unfinished()
        tracker = StudyTracker(workspace, parent_of_study(plan, ledger.commit))
        tracker.complete_finished(ledger.finished())
        for planned in todo:
            if ledger.state(planned) == "lost":
                say(
                    f"{planned.name} had finished; its result is gone and it is trained again",
                    "red",
                )
        say(f"{plan.study_id}: {len(todo)} of {len(plan.trials)} trials to do")
        held.enter_context(resumable(go_on, tracker.ended))
        fingerprint = plan.trials[0].run.data.fingerprint
        slots = capacity.trials_at_once(plan.workers, plan.gpu_share)
        load = open_volumes(open_planned(plan.prepared, fingerprint, capacity))
        live = LiveStudy(ledger, min(slots, max(len(todo), 1)))
        held.enter_context(live_table(live.table))
        failed = run_study(ledger, load, workspace, capacity, [tracker, live])
        tracker.complete_finished(ledger.finished())
        tracker.ended("failed" if failed else "finished")
    _print_start_up(live)
    return failed


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
def resumable(go_on: str, end: Callable[[RunState], None]) -> Iterator[None]:
    """Whatever ends a study or a search early, end its own run; after Ctrl-C say how to go on."""
    try:
        yield
    except BaseException as error:
        stopped = is_stop(error)
        if stopped:
            say("stopped; finished epochs are kept.", "yellow")
            say(f"go on with: {go_on}")
        end("interrupted" if stopped else "failed")
        raise


def exit_on_failure(failed: Sequence[PlannedRun], go_on: str) -> None:
    """Name the trials that failed and end with 1; nothing where none did."""
    for planned in failed:
        say(f"failed: {planned.name}: {planned.run.failure() or 'its process died'}", "red")
    if failed:
        say(f"try them again: {go_on}")
        raise typer.Exit(1)


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
