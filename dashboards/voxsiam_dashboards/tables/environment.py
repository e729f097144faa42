"""What the runs of a study were computed with and on, and whether that was the same for all."""

from collections.abc import Iterable

from voxsiam_dashboards.store.results import TrialResult
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import TextTable

FINGERPRINTS = {"data": "data", "split": "split", "method_version": "version of the method"}
_MANY = 4


def environment_table(report: ReportTable) -> TextTable:
    """Write versions, device and fingerprints; one line a value where runs differ."""
    trials = [trial for row in report.rows for trial in row.trials]
    named = [_facts(trial) for trial in trials]
    names = dict.fromkeys(name for facts in named for name in facts)
    body: list[tuple[str, str, str]] = []
    differing: list[str] = []
    for name in names:
        runs = _runs_by_value(name, trials, named)
        differing += [name] if len(runs) > 1 else []
        for value, labels in runs.items():
            body.append((name, value, "all" if len(runs) == 1 else _listed(labels)))
    return TextTable(
        title="What it was computed with",
        header=("What", "Value", "Runs"),
        body=tuple(body),
        notes=_notes(differing) if trials else ("No run has started.",),
    )


def _facts(trial: TrialResult) -> dict[str, str]:
    fingerprints = {title: trial.fingerprints.get(key, "") for key, title in FINGERPRINTS.items()}
    return {name: value for name, value in (fingerprints | trial.environment).items() if value}


def _runs_by_value(
    name: str, trials: Iterable[TrialResult], named: Iterable[dict[str, str]]
) -> dict[str, list[str]]:
    runs: dict[str, list[str]] = {}
    for trial, facts in zip(trials, named, strict=True):
        runs.setdefault(facts.get(name, "not told"), []).append(f"{trial.row} s{trial.seed}")
    return runs


def _notes(differing: list[str]) -> tuple[str, ...]:
    if not differing:
        return ("All runs of this study were computed with the same.",)
    return (f"The runs of this study differ in: {', '.join(differing)}.",)


def _listed(labels: list[str]) -> str:
    more = f" and {len(labels) - _MANY} more" if len(labels) > _MANY else ""
    return ", ".join(labels[:_MANY]) + more
