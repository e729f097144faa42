"""One sweep from forecast to report: what `voxsiam sweep run` and `resume` do."""

import math
from contextlib import ExitStack
from pathlib import Path

import typer
from rich.table import Table as Grid

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.training_node import on_training_node
from voxsiam.orchestration.runs.plan import PlannedRun
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.sweeps.history import DATABASE
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import Budget, score_title
from voxsiam.orchestration.sweeps.tune_run import run_sweep
from voxsiam.orchestration.tracking.run_store import keep_report
from voxsiam.orchestration.tracking.store import StoreAwayError
from voxsiam.orchestration.tracking.sweep_tracker import SweepTracker
from voxsiam.orchestration.workspace import Workspace, sqlite_address
from voxsiam_cli.console import console, live_table, say
from voxsiam_cli.data.prepared import fetch_data, require_prepared
from voxsiam_cli.study.report import name_newest, reporting
from voxsiam_cli.study.session import (
    cluster_to_train,
    exit_on_failure,
    open_planned,
    resumable,
    resume_command,
    run_ledger,
)
from voxsiam_cli.sweep.live import LiveSweep, told
from voxsiam_dashboards.reports.sweep import write_sweep_report
from voxsiam_dashboards.store.study_reading import find_study, load_study
from voxsiam_dashboards.store.sweep_results import load_sweep
from voxsiam_dashboards.tables.files import side_by_side
from voxsiam_dashboards.tables.report_table import ReportTable, build_table
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.prepared.stream import open_volumes
from voxsiam_experiments.presets import Choices, Preset
from voxsiam_experiments.sweep_plan import (
    check_search,
    final_id,
    final_table,
    plan_final,
    plan_sweep,
)
from voxsiam_experiments.sweeps import Search, Sweep


def start_sweep(
    sweep: Sweep,
    preset: Preset,
    data: str | None,
    asked: tuple[Choices, Search, Budget],
    workspace: Workspace,
) -> None:
    """Plan a sweep and run it; a request that was made before goes on where it stopped."""
    choices, search, budget = asked
    check_search(sweep, preset, choices)
    workers, place = choices.workers or preset.workers, fetch_data(data, workspace)
    with cluster_to_train(workspace, workers, choices.gpu_share) as capacity:
        _check_budget(budget, capacity)
        prepared = require_prepared(place, preset, workspace)
        now = Capacity.of_cluster()  # a node may have died, or joined, meanwhile
        planned = (sweep, preset, prepared, choices, search, workspace)
        plan = on_training_node(now, plan_sweep, *planned)
        ledger = SweepLedger.create(workspace, plan, budget)
        failed = _search_and_test(ledger, workspace, now)
    _report_and_exit(ledger, workspace, failed)


def resume_sweep(ledger: SweepLedger, workspace: Workspace) -> None:
    """Go on with a sweep: what is finished is left alone, what was cut off continues."""
    plan = ledger.plan
    with cluster_to_train(workspace, plan.workers, plan.gpu_share) as capacity:
        _check_budget(ledger.budget, capacity)
        failed = _search_and_test(ledger, workspace, capacity)
    _report_and_exit(ledger, workspace, failed)


def _report_and_exit(ledger: SweepLedger, workspace: Workspace, failed: list[PlannedRun]) -> None:
    report_sweep(ledger, workspace)
    _exit_without_winner(ledger)
    exit_on_failure(failed, _go_on(ledger, workspace))


def report_sweep(ledger: SweepLedger, workspace: Workspace, into: Path | None = None) -> None:
    """Print the trials and the winner's table, and write the report.

    Args:
        into: Folder to write; else the sweep's own in the workspace, which is kept in MLflow too.
    """
    _print_trials(ledger)
    uri, sweep_id, name = workspace.tracking_uri, ledger.plan.sweep_id, ledger.plan.sweep
    with reporting(workspace, f"voxsiam sweep report {sweep_id}"):
        final = _final_results(ledger, uri)
        results = load_sweep(uri, sweep_id)
    if final is None:
        say("no winner has been tested yet.", "yellow")
    else:
        console.print(side_by_side(final))
    page = write_sweep_report(ledger.plan.title, results, final, into or workspace.report(sweep_id))
    if into is None:
        keep_report(uri, results.parent_run_id, page.parent)
        name_newest(workspace, name, f"sweep-{name}")
    say(f"report:  {page}")
    say(f"MLflow:  {uri}")
    say(f"look:    voxsiam ui --workspace {workspace.quoted}")
    say(f"search:  optuna-dashboard {sqlite_address(ledger.folder / DATABASE)}")


def _final_results(ledger: SweepLedger, uri: str) -> ReportTable | None:
    """Return the winner beside the printed settings; None before they are trained."""
    best = ledger.best()
    if best is None:
        return None
    try:
        parent = find_study(uri, final_id(ledger.plan.sweep_id, best.number))
    except StoreAwayError:
        raise
    except UserError:
        return None
    return build_table(final_table(ledger.plan, best), load_study(uri, parent))


def _search_and_test(
    ledger: SweepLedger, workspace: Workspace, capacity: Capacity
) -> list[PlannedRun]:
    """Search, then train the winner on all training cases and test it."""
    ledger.plan.require_this_method()
    prepared = open_planned(ledger.plan.prepared, ledger.plan.data.fingerprint, capacity)
    with ledger.held():
        _search(ledger, prepared, workspace, capacity)
    best = ledger.best()
    if best is None:
        return []
    say(f"the search is over; winner: {best.label} ({told(best.values)})")
    final = plan_final(ledger.plan, best, prepared, workspace)
    study = Ledger.create(workspace, final)
    return run_ledger(study, workspace, capacity, _go_on(ledger, workspace))


def _search(
    ledger: SweepLedger, prepared: PreparedSet, workspace: Workspace, capacity: Capacity
) -> None:
    with ExitStack() as held:
        tracker = SweepTracker(workspace, ledger)
        held.enter_context(resumable(_go_on(ledger, workspace), tracker.ended))
        load = open_volumes(prepared)
        live = LiveSweep(ledger)
        held.enter_context(live_table(live.table))
        say(f"{ledger.plan.sweep_id}: {live.standing()}")
        run_sweep(ledger, load, workspace, capacity, [tracker, live])
        used = ledger.used_up()
        if used:
            say(f"the search ends here: {used} are used up; the best so far is kept.", "yellow")
        elif ledger.unfinished():
            say(f"not all trials have ended; go on with: {_go_on(ledger, workspace)}", "yellow")
        tracker.ended("finished")


def _exit_without_winner(ledger: SweepLedger) -> None:
    """End with 1 where trials have failed and none has come to its end."""
    failed = [trial for trial in ledger.trials if trial.state == "failed"]
    if failed and ledger.best() is None:
        say(f"no trial has come to its end, {len(failed)} failed: {failed[0].error}", "red")
        raise typer.Exit(1)


def _print_trials(ledger: SweepLedger) -> None:
    name = ledger.plan.score
    grid = Grid("trial", "state", "epochs", score_title(name), "seconds", "settings")
    best = ledger.best()
    for trial in ledger.trials:
        last = max(trial.curve, default=0)
        score = trial.last_score(name)
        seconds = trial.objectives.get("seconds")
        grid.add_row(
            f"{trial.number}{' *' if trial == best else ''}",
            trial.state if not trial.error else f"{trial.state}: {trial.error}",
            f"{last} of {ledger.plan.space.base.epochs}",
            "" if math.isnan(score) else f"{score:.3f}",
            "" if seconds is None else f"{seconds:.1f}",
            told(trial.values),
        )
    grid.caption = "* the winner: the best of those that were trained to the end"
    console.print(grid)


def _check_budget(budget: Budget, capacity: Capacity) -> None:
    if budget.gpu_hours is not None and not capacity.gpus:
        raise UserError(
            "there is no GPU whose hours could be counted",
            where="--gpu-hours",
            fix="give --trials or --hours",
        )


def _go_on(ledger: SweepLedger, workspace: Workspace) -> str:
    return resume_command("sweep", ledger.plan.sweep_id, workspace)
