"""The report of a sweep: one page that opens offline, and its trials for other programs."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import plotly.offline

from dashboards.folder_swap import write_folder
from dashboards.importance import LEAST_TRIALS, importances
from dashboards.page import chart_fragment, render_page
from dashboards.report_tables import main_table, patient_table
from dashboards.sweep_charts import history, importance_bars, last_score, parallel, pareto, slices
from dashboards.sweep_results import SweepResults
from dashboards.tables import ReportTable
from dashboards.text_table import TextTable
from experiments.sweeps import Sweep
from voxsiam.orchestration.sweep_ledger import SweepTrial

PAGE = "index.html"


def write_sweep_report(
    sweep: Sweep, results: SweepResults, final: ReportTable | None, directory: Path
) -> Path:
    """Write the page and the trials as CSV and JSON; an older report is replaced in one step.

    Args:
        sweep: What was asked.
        results: What the search found.
        final: The winner beside the printed settings, on test cases; None before there is one.
        directory: A folder of its own.

    Returns:
        Path of the page.
    """
    directory = directory.resolve()
    write_folder(directory, lambda folder: _write(sweep, results, final, folder))
    return directory / PAGE


def to_csv(results: SweepResults) -> str:
    """Write one line a trial."""
    names = [setting.name for setting in results.settings]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ["trial", "state", "epochs", "validation_dsc", "seconds", "seeds"]
    writer.writerow([*header, *names])
    for trial in results.trials:
        line = [trial.number, trial.state, max(trial.curve, default=0), last_score(trial)]
        line += [trial.objectives.get("seconds"), len(trial.seeds)]
        writer.writerow([*line, *(trial.values[name] for name in names)])
    return out.getvalue()


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


FILES: dict[str, Callable[[SweepResults], str]] = {"trials.csv": to_csv, "trials.json": to_json}


def _write(sweep: Sweep, results: SweepResults, final: ReportTable | None, folder: Path) -> None:
    for name, render in FILES.items():
        (folder / name).write_text(render(results), encoding="utf-8")
    (folder / PAGE).write_text(_page(sweep, results, final), encoding="utf-8")


def _page(sweep: Sweep, results: SweepResults, final: ReportTable | None) -> str:
    found = importances(results)
    charts = {
        "history": history(results),
        "slices": slices(results),
        "importance": importance_bars(found),
        "parallel": parallel(results),
        "pareto": pareto(results),
    }
    best = next((trial for trial in results.trials if trial.number == results.best), None)
    return render_page(
        "sweep",
        title=sweep.title,
        facts=_facts(results),
        results=results,
        best=best,
        charts={name: chart_fragment(name, chart) for name, chart in charts.items() if chart},
        plotly_js=plotly.offline.get_plotlyjs(),
        trials=_trial_table(results),
        least_trials=LEAST_TRIALS,
        final_tables=[main_table(final), patient_table(final)] if final else [],
        files=tuple(FILES),
    )


def _trial_table(results: SweepResults) -> TextTable:
    names = tuple(setting.name for setting in results.settings)
    return TextTable(
        title="Trials",
        header=("Trial", "State", "Epochs", "Validation DSC", "Seconds a run", *names),
        body=tuple(_line(trial, results) for trial in results.trials),
        notes=(
            "Scores of trials that were stopped early are those of their last epoch; only trials "
            "trained to the end are compared, and only they can win.",
        ),
        bold=frozenset() if results.best is None else frozenset({(results.best, 3)}),
    )


def _line(trial: SweepTrial, results: SweepResults) -> tuple[str, ...]:
    score, seconds = last_score(trial), trial.objectives.get("seconds")
    state = {"finished": "trained to the end", "stopped": "stopped early"}.get(
        trial.state, trial.state
    )
    return (
        f"{trial.number}{' (winner)' if trial.number == results.best else ''}",
        f"{state}: {trial.error}" if trial.error else state,
        f"{max(trial.curve, default=0)} of {results.plan['epochs']}",
        "-" if math.isnan(score) else f"{score:.4f}",
        "-" if seconds is None else f"{seconds:.1f}",
        *(f"{trial.values[setting.name]:.4g}" for setting in results.settings),
    )


def _facts(results: SweepResults) -> dict[str, str]:
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
