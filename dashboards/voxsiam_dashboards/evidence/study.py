"""Checks a whole study: every number of its report, back to the scores of single cases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.run_store import RunStore
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.plan_checks import TrackedRun, check_plan, planned_runs
from voxsiam_dashboards.evidence.report_checks import check_links, check_page, check_report
from voxsiam_dashboards.evidence.run_checks import CheckedRun, RunChecks, check_run
from voxsiam_dashboards.evidence.score_checks import Progress, check_scores, silently
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.store.study_reading import find_study, load_study
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_experiments.table import Table

NOT_LOOKED_AT = (
    "not looked at (--quick): whether scores follow from the label maps and pictures",
    "not looked at (--quick): curves before their last epoch",
    "not looked at (--quick): places in feature spaces that earlier reports left in the cache",
)
"""What only the whole verification answers."""


@dataclass(frozen=True)
class Evidence:
    """What was checked of a study.

    Attributes:
        runs: Finished runs.
        checks: In the order in which a reader should look at them.
    """

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
    progress: Progress = silently,
) -> Evidence:
    """Compute a study anew from its plan, its runs' records and their voxels; compare everything.

    Args:
        table: The table of the paper.
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
    plan, links = Check("plan", "things of the plan"), Check("links", "links")
    scores, page = Check("scores", "scores from voxels"), Check("page", "things of the report")
    written = Check("report", "cells of the report's tables")
    checks = RunChecks(
        fingerprints=Check("fingerprints", "names of runs, recipes and splits"),
        settings=Check("settings", "parameters, tags, data and environments"),
        files=Check("files", "SHA-256 sums and files"),
        curves=Check("curves", "figures of epochs"),
        metrics=Check("metrics", "test scores from cases.csv"),
    )
    check_plan(ledger, results, store, plan)
    scored: list[CheckedRun] = []
    figures: dict[str, dict[str, float]] = {}
    for pair in planned_runs(ledger, results, plan):
        run = _opened(pair, store, run_folder)
        found = check_run(run, parent_run, checks, quick=quick) if run is not None else None
        if run is not None and found is not None:
            scored.append(run)
            figures[run.trial.run_id] = found
    if quick:
        scores.notes += NOT_LOOKED_AT
    else:
        check_scores(scored, prepared, scores, progress)
    told, computed = build_table(table, results), _computed(results, figures)
    # Tests over patients take long, and mostly the two are the same.
    anew = told if computed is results else build_table(table, computed)
    check_report(anew, report, written)
    check_page(told, report, store, page, placed if quick else None)
    check_links(results, store, report, links)
    return Evidence(
        study_id=ledger.plan.study_id,
        runs=sum(trial.status == "FINISHED" for trial in results.trials),
        checks=(
            plan, checks.fingerprints, checks.settings, checks.files, checks.curves, scores,
            checks.metrics, written, page, links,
        ),
    )  # fmt: skip


def _opened(
    pair: TrackedRun, store: RunStore, run_folder: Callable[[str], Path]
) -> CheckedRun | None:
    stored = store.find(pair.found.run_id)
    if stored is None:
        return None
    original = run_folder(pair.planned.run.run_id)
    return CheckedRun(pair.planned, pair.found, stored, store, original)


def _computed(results: StudyResults, anew: Mapping[str, Mapping[str, float]]) -> StudyResults:
    """Put the figures that follow from single cases in the place of the tracked ones.

    Args:
        anew: By run.

    Returns:
        The same results where they are these very figures.
    """
    trials = tuple(
        replace(
            trial,
            final={
                name: anew.get(trial.run_id, {}).get(name, value)
                for name, value in trial.final.items()
            },
        )
        for trial in results.trials
    )
    same = all(
        ours.final == theirs.final for ours, theirs in zip(trials, results.trials, strict=True)
    )
    return results if same else replace(results, trials=trials)
