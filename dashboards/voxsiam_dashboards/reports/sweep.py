"""The report of a sweep: one page that opens offline, and its trials for other programs."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import plotly.offline

from voxsiam.orchestration.sweeps.plan import SweepTrial, score_title
from voxsiam.orchestration.sweeps.space import value_text
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.figures.sweep_charts import (
    LEAST_TRIALS,
    history,
    importance_bars,
    importances,
    parallel,
    pareto,
    slices,
)
from voxsiam_dashboards.reports.folder_swap import write_folder
from voxsiam_dashboards.reports.page import PAGE, chart_fragments, render_page
from voxsiam_dashboards.store.sweep_results import SweepResults
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.study_tables import main_table, patient_table
from voxsiam_dashboards.tables.text_table import TextTable, csv_text

PURPOSE = (
    "A search over what the paper fixes without saying how it was found. Trials are scored on "
    "inner validation cases; no test case was read while searching."
)
_STATES = {"finished": "trained to the end", "stopped": "stopped early"}


def write_sweep_report(
    title: str, results: SweepResults, final: ReportTable | None, directory: Path
) -> Path:
    """Write the page and the trials as CSV and JSON, and return the page.

    An older report is replaced in one step.

    Args:
        title: What the sweep asks.
        final: The winner beside the printed settings, on test cases; None before there is one.
    """
    directory = directory.resolve()
    write_folder(directory, lambda folder: _write(title, results, final, folder))
    return directory / PAGE


def to_csv(results: SweepResults) -> str:
    """Write one line a trial."""
    names = [setting.name for setting in results.settings]
    header = ["trial", "state", "epochs", f"validation_{results.score}", "seconds", "seeds"]
    lines: list[list[object]] = [[*header, *names]]
    for trial in results.trials:
        told = (
            trial.number,
            trial.state,
            max(trial.curve, default=0),
            trial.last_score(results.score),
        )
        cost = (trial.objectives.get("seconds"), len(trial.seeds))
        lines.append([*told, *cost, *(trial.values[name] for name in names)])
    return csv_text(lines)


def to_json(results: SweepResults) -> str:
    """Write the plan and the trials."""
    content = {
        "sweep_id": results.sweep_id,
        "mlflow_run_id": results.parent_run_id,
        "plan": results.plan,
        "trials": [trial.model_dump(mode="json") for trial in results.trials],
        "best": results.best,
        "spent": results.spent.model_dump(),
        "budget": results.budget.model_dump(),
    }
    return json.dumps(content, indent=1) + "\n"


def winner_text(results: SweepResults) -> str:
    """Say who won, and what that is worth."""
    best = next((trial for trial in results.trials if trial.number == results.best), None)
    if best is None:
        return "No trial has been trained to the end yet, so there is no winner."
    settings = ", ".join(f"{name} {value_text(value)}" for name, value in best.values.items())
    title = score_title(results.score).replace("Validation", "validation", 1)
    return (
        f"Winner: trial {best.number}, {title} {best.objectives[results.score]:.4f} ({settings}). "
        "The best of several scores is too high by chance: the table of the test cases below is "
        "what counts."
    )


def too_few_text(results: SweepResults) -> str:
    """Say why no importance is told."""
    return (
        f"Nothing can be said: it takes two settings, and {LEAST_TRIALS} trials that were trained "
        f"to the end and differ; there are {len(results.finished)}."
    )


def trial_table(results: SweepResults) -> TextTable:
    """Write one line a trial."""
    names = tuple(setting.name for setting in results.settings)
    return TextTable(
        title="Trials",
        header=("Trial", "State", "Epochs", score_title(results.score), "Seconds a run", *names),
        body=tuple(_line(trial, results) for trial in results.trials),
        notes=(
            "Scores of trials that were stopped early are those of their last epoch; only trials "
            "trained to the end are compared, and only they can win.",
        ),
        bold=frozenset() if results.best is None else frozenset({(results.best, 3)}),
    )


def _line(trial: SweepTrial, results: SweepResults) -> tuple[str, ...]:
    score, seconds = trial.last_score(results.score), trial.objectives.get("seconds")
    state = _STATES.get(trial.state, trial.state)
    return (
        f"{trial.number}{' (winner)' if trial.number == results.best else ''}",
        f"{state}: {trial.error}" if trial.error else state,
        f"{max(trial.curve, default=0)} of {results.plan['epochs']}",
        "-" if math.isnan(score) else f"{score:.4f}",
        "-" if seconds is None else f"{seconds:.1f}",
        *(value_text(trial.values[setting.name]) for setting in results.settings),
    )


def sweep_facts(results: SweepResults) -> dict[str, str]:
    """What was searched, and what it has cost."""
    plan, spent, budget = results.plan, results.spent, results.budget
    limits = {name: value for name, value in budget.model_dump().items() if value is not None}
    facts = {
        "Preset": str(plan["preset"]),
        "Data": f"{plan['data']['name']} ({plan['data']['kind']})",
        "Cases": f"{plan['cases']['train']} train, {plan['cases']['validation']} validation",
        "Objectives": ", ".join(plan["objectives"]),
        "Sampler": str(plan["sampler"]),
        "Early stopping": "ASHA" if plan["stop_early"] else "none",
        "Seeds a trial": str(plan["seeds"]),
        "Budget": ", ".join(f"{value:g} {name}" for name, value in limits.items()),
        "Spent": f"{spent.seconds / 3600:.3g} hours"
        + (f", {spent.gpu_seconds / 3600:.3g} GPU-hours" if spent.gpu_seconds else ""),
        "Sweep": results.sweep_id,
    }
    return {name: value for name, value in facts.items() if value.strip()}


FILES: dict[str, Callable[[SweepResults], str]] = {"trials.csv": to_csv, "trials.json": to_json}


def _write(title: str, results: SweepResults, final: ReportTable | None, folder: Path) -> None:
    for name, render in FILES.items():
        (folder / name).write_text(render(results), encoding="utf-8")
    (folder / PAGE).write_text(_page(title, results, final), encoding="utf-8")


def _page(title: str, results: SweepResults, final: ReportTable | None) -> str:
    charts = {
        "history": history(results),
        "slices": slices(results),
        "importance": importance_bars(importances(results)),
        "parallel": parallel(results),
        "pareto": pareto(results),
    }
    return render_page(
        "sweep",
        title=title or results.sweep_id,
        purpose=PURPOSE,
        facts=sweep_facts(results),
        results=results,
        winner=winner_text(results),
        charts=chart_fragments(charts),
        plotly_js=plotly.offline.get_plotlyjs(),
        captions=CAPTIONS,
        trials=trial_table(results),
        too_few=too_few_text(results),
        final_tables=[main_table(final), patient_table(final)] if final else [],
        files=tuple(FILES),
    )
