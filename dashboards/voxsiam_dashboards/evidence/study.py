"""Checks a whole study: every number of its report, back to the scores of single cases."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from voxsiam.orchestration.tracking.reader import RunStore
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.report_checks import check_links, check_report
from voxsiam_dashboards.evidence.run_checks import CheckedRun, RunChecks, check_run
from voxsiam_dashboards.store.results import StudyResults, TrialResult, find_study, load_study
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_experiments.table import Table

_TAGS = "voxsiam."


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


def verify_study(
    table: Table,
    tracking_uri: str,
    study_id: str,
    report: Path,
    run_folder: Callable[[str], Path],
) -> Evidence:
    """Compute a study's table anew from the scores of single cases, and compare everything.

    Args:
        table: The table of the paper.
        tracking_uri: MLflow's address.
        study_id: The study.
        report: Folder of the report as it was last written.
        run_folder: Where a run of that identity was trained; it need not be there any more.
    """
    results = load_study(tracking_uri, find_study(tracking_uri, study_id))
    store = RunStore(tracking_uri)
    checks = RunChecks(
        fingerprints=Check("fingerprints", "names of runs, recipes and splits"),
        files=Check("files", "SHA-256 sums and files"),
        metrics=Check("metrics", "test scores from cases.csv"),
        overlay=Check("overlay", "scores of the pictured case from its voxels"),
    )
    computed: list[TrialResult] = []
    for trial in results.trials:
        figures = _checked(trial, store, run_folder, checks)
        computed.append(replace(trial, final=_replaced(trial.final, figures or {})))
    of_cases = replace(results, trials=tuple(computed))
    written, links = Check("report", "cells of the report's tables"), Check("links", "links")
    check_report(build_table(table, of_cases), report, written)
    check_links(results, store, report, links)
    return Evidence(
        study_id=study_id,
        runs=_finished(results),
        checks=(
            checks.fingerprints, checks.files, checks.metrics, checks.overlay, written, links,
        ),
    )  # fmt: skip


def _checked(
    trial: TrialResult, store: RunStore, run_folder: Callable[[str], Path], checks: RunChecks
) -> dict[str, float] | None:
    stored = store.find(trial.run_id)
    if trial.status != "FINISHED" or stored is None:
        return None
    tags = {name.removeprefix(_TAGS): value for name, value in stored.tags.items()}
    original = run_folder(Path(tags.get("run", "")).name)
    return check_run(CheckedRun(trial, store, tags, original), checks)


def _replaced(tracked: dict[str, float], computed: dict[str, float]) -> dict[str, float]:
    """Take the computed value of each tracked figure."""
    return {name: computed.get(name, value) for name, value in tracked.items()}


def _finished(results: StudyResults) -> int:
    return sum(trial.status == "FINISHED" for trial in results.trials)
