"""The report of a sweep: one page that opens offline, and its trials for other programs."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import plotly.offline

from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.figures.importance import importances
from voxsiam_dashboards.figures.sweep_charts import (
    history,
    importance_bars,
    last_score,
    parallel,
    pareto,
    slices,
)
from voxsiam_dashboards.reports.folder_swap import write_folder
from voxsiam_dashboards.reports.page import chart_fragment, render_page
from voxsiam_dashboards.reports.sweep_texts import (
    PURPOSE,
    sweep_facts,
    too_few_text,
    trial_table,
    winner_text,
)
from voxsiam_dashboards.store.sweep_results import SweepResults
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.study_tables import main_table, patient_table
from voxsiam_experiments.sweeps import Sweep

PAGE = "index.html"


def write_sweep_report(
    sweep: Sweep, results: SweepResults, final: ReportTable | None, directory: Path
) -> Path:
    """Write the page and the trials as CSV and JSON; an older report is replaced in one step.

    Args:
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
    return render_page(
        "sweep",
        title=sweep.title,
        purpose=PURPOSE,
        facts=sweep_facts(results),
        results=results,
        winner=winner_text(results),
        charts={name: chart_fragment(name, chart) for name, chart in charts.items() if chart},
        plotly_js=plotly.offline.get_plotlyjs(),
        captions=CAPTIONS,
        trials=trial_table(results),
        too_few=too_few_text(results),
        final_tables=[main_table(final), patient_table(final)] if final else [],
        files=tuple(FILES),
    )
