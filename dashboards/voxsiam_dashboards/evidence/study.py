"""Checks a whole study: every number of its report, back to the scores of single cases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.fingerprint import flatten
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.studies.table import Table
from voxsiam.orchestration.tracking.names import COMMIT_TAG
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.run_store import RunStore
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.report_checks import check_links, check_page, check_report
from voxsiam_dashboards.evidence.run_checks import CheckedRun, check_run
from voxsiam_dashboards.evidence.score_checks import Progress, check_scores
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.store.study_reading import find_study, load_study
from voxsiam_dashboards.store.trial_files import read_object
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_data.prepared.prepared_set import PreparedSet

CHECKS = {
    "plan": "things of the plan",
    "fingerprints": "names of runs, recipes and splits",
    "settings": "parameters, tags, data and environments",
    "files": "SHA-256 sums and files",
    "curves": "figures of epochs",
    "scores": "scores from voxels",
    "metrics": "test scores from cases.csv",
    "report": "cells of the report's tables",
    "page": "things of the report",
    "links": "links",
}
"""What is checked, in the order in which a reader should look at it, and what is counted."""

PLAN_FILE = "study/plan.json"
NOT_LOOKED_AT = (
    "not looked at (--quick): whether scores follow from the label maps and pictures",
    "not looked at (--quick): curves before their last epoch",
    "not looked at (--quick): places in feature spaces that earlier reports left in the cache",
)
"""What only the whole verification answers."""


@dataclass(frozen=True)
class Evidence:
    """What was checked of a study, and how many finished runs it has."""

    study_id: str
    runs: int
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Tell whether nothing contradicts."""
        return not any(check.mismatches for check in self.checks)

    @property
    def notes(self) -> list[str]:
        """What a reader must know beside: amendments, and what could not be compared."""
        return [note for check in self.checks for note in check.notes]


def verify_study(  # noqa: PLR0913
    table: Table,
    ledger: Ledger,
    tracking_uri: str,
    report: Path,
    run_folder: Callable[[str], Path],
    prepared: PreparedSet | None = None,
    placed: Path | None = None,
    *,
    quick: bool = False,
    progress: Progress = lambda *_: None,
) -> Evidence:
    """Compute a study anew from its plan, its runs' records and their voxels; compare everything.

    Args:
        ledger: Of the study: what was planned, and what has finished.
        report: Folder of the report as it was last written.
        run_folder: Where a run of that identity was trained; it need not be there any more.
        prepared: The set that it was tested on, where this machine has it.
        placed: Cache of the reports' feature spaces, which the quick one believes.
        quick: Leave out what takes longest: scores from voxels, of the curves all epochs but the
            last, and places in feature spaces that are cached. What was left out is noted.
        progress: Told of how many cases have been scored again.
    """
    own_run = find_study(tracking_uri, ledger.plan.study_id)
    results = load_study(tracking_uri, own_run, files="report")
    store, parent_run = RunStore(tracking_uri), parent_of_study(ledger.plan)
    store.ask_for_trials(results.parent_run_id)
    checks = {name: Check(name, things) for name, things in CHECKS.items()}
    _check_plan(ledger, results, store, checks["plan"])
    scored: list[CheckedRun] = []
    figures: dict[str, dict[str, float]] = {}
    for run in _planned_runs(ledger, results, store, run_folder, checks["plan"]):
        found = check_run(run, parent_run, checks, quick=quick)
        if found is not None:
            scored.append(run)
            figures[run.trial.run_id] = found
    if quick:
        checks["scores"].notes += NOT_LOOKED_AT
    else:
        check_scores(scored, prepared, checks["scores"], progress)
    told, computed = build_table(table, results), _computed(results, figures)
    # Tests over patients take long, and mostly the two are the same.
    anew = told if computed is results else build_table(table, computed)
    check_report(anew, report, checks["report"])
    check_page(told, report, store, checks["page"], placed if quick else None)
    check_links(results, store, report, checks["links"])
    return Evidence(
        study_id=ledger.plan.study_id,
        runs=sum(trial.status == "FINISHED" for trial in results.trials),
        checks=tuple(checks.values()),
    )


def _check_plan(ledger: Ledger, results: StudyResults, store: RunStore, check: Check) -> None:
    """Compare the plan with its seals, and the study's own run with the plan."""
    where, plan = str(ledger.path), ledger.plan
    if ledger.seals:
        check.compare_one(where, "the sealed plan", ledger.seals[-1].plan, plan.seal())
        check.notes += [f"plan amended {seal.at}: {seal.what}" for seal in ledger.seals[1:]]
    else:
        check.unreadable(where, "the plan has no seal")
    parent, told = store.find(results.parent_run_id), parent_of_study(plan)
    if parent is None:
        check.unreadable(f"run {results.parent_run_id}", "it is gone")
        return
    tags = told.tags()
    if ledger.commit:
        tags[COMMIT_TAG] = ledger.commit
    where = f"run {parent.run_id} (the study's own), tags"
    check.compare(where, tags, {name: parent.tags.get(name) for name in tags})
    where = f"run {parent.run_id}, {PLAN_FILE}"
    try:
        kept = store.read(parent.run_id, PLAN_FILE, read_object)
    except UserError as error:
        check.unreadable(where, error.what)
        return
    check.compare(where, flatten(told.plan), flatten(kept))


def _planned_runs(
    ledger: Ledger,
    results: StudyResults,
    store: RunStore,
    run_folder: Callable[[str], Path],
    check: Check,
) -> list[CheckedRun]:
    """Take the finished runs that were planned; what has finished and is not there is named."""
    found = {(trial.row, trial.seed): trial for trial in results.trials}
    runs: list[CheckedRun] = []
    for trial in ledger.plan.trials:
        run = found.pop((trial.row, trial.run.seed), None)
        status = run.status if run is not None else "no run"
        # One that still runs, or was never begun, owes nothing.
        due = "FINISHED" if ledger.state(trial) in ("finished", "lost") else status
        check.compare_one(f"runs of {results.study_id} in MLflow", trial.name, due, status)
        stored = store.find(run.run_id) if run is not None and status == "FINISHED" else None
        if run is not None and stored is not None:
            runs.append(CheckedRun(trial, run, stored, store, run_folder(trial.run.run_id)))
    for run in found.values():
        what = f"run {run.run_id} ({run.row}, seed {run.seed})"
        check.compare_one(f"plan of {results.study_id}", what, "not planned", "there")
    return runs


def _computed(results: StudyResults, anew: Mapping[str, Mapping[str, float]]) -> StudyResults:
    """Put a run's figures that follow from single cases in the place of the tracked ones.

    Returns:
        The same results where they are these very figures.
    """
    finals = [
        {name: anew.get(trial.run_id, {}).get(name, value) for name, value in trial.final.items()}
        for trial in results.trials
    ]
    if finals == [trial.final for trial in results.trials]:
        return results
    pairs = zip(results.trials, finals, strict=True)
    return replace(results, trials=tuple(replace(trial, final=final) for trial, final in pairs))
