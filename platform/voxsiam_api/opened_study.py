"""A study from Python: its rows, runs, curves and scores as tidy tables, its report's as well."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import plotly.graph_objects as go

from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.workspace import Workspace
from voxsiam_dashboards.reports.study import draw_figures
from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.store.study_reading import find_study, load_study
from voxsiam_dashboards.tables.case_scores import case_scores
from voxsiam_dashboards.tables.report_table import ReportTable, build_table
from voxsiam_dashboards.tables.study_tables import report_tables
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_experiments.studies import table_of

_CURVE = ["row", "seed", "metric", "step", "value"]


@dataclass(frozen=True, eq=False)
class OpenedStudy:
    """A study as MLflow holds it, at the time when it was opened.

    Attributes:
        results: What was read, with what was missing or odd in its `notes`.
        cache: Where reports keep what takes long to compute.
    """

    results: StudyResults
    cache: Path
    ledger: Ledger

    @cached_property
    def report(self) -> ReportTable:
        """The table with every comparison, as the report has it."""
        return build_table(table_of(self.ledger.plan), self.results)

    @property
    def rows(self) -> pd.DataFrame:
        """One line for each row: seeds, and mean and SD over seeds of each measure."""
        lines = []
        for row in self.report.rows:
            line = {"row": row.label, "finished": row.finished, "planned": row.planned}
            for name, cell in row.cells.items():
                figures = (cell.mean, cell.sd, cell.printed)
                names = (name, f"{name}_sd", f"{name}_printed")
                line |= dict(zip(names, map(_number, figures), strict=True))
            lines.append(line)
        return pd.DataFrame(lines)

    @property
    def runs(self) -> pd.DataFrame:
        """One line for each training: row, seed, status, names, and its test scores."""
        return pd.DataFrame([_run(trial) for trial in self.results.trials])

    @property
    def curves(self) -> pd.DataFrame:
        """One line for each training, figure and epoch: row, seed, metric, step, value."""
        parts = [
            trial.curves.assign(row=trial.row, seed=trial.seed)
            for trial in self.results.trials
            if len(trial.curves)
        ]
        return pd.concat(parts, ignore_index=True).loc[:, _CURVE] if parts else _empty(_CURVE)

    @property
    def scores(self) -> pd.DataFrame:
        """One line for each finished training, test case and organ: the report's scores.csv."""
        return case_scores(self.results)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The report's tables as it words them, by their titles."""
        return {each.title: _frame(each) for each in report_tables(self.report).values()}

    @cached_property
    def figures(self) -> dict[str, go.Figure]:
        """The report's charts that have data, to show or to change."""
        with TemporaryDirectory() as passing:
            drawn = draw_figures(self.report, Path(passing), self.cache)
        return {name: chart for name, chart in drawn.items() if chart is not None}


def open_study(ledger: Ledger, workspace: Workspace) -> OpenedStudy:
    """Read a study from MLflow."""
    uri = workspace.tracking_uri
    results = load_study(uri, find_study(uri, ledger.plan.study_id))
    return OpenedStudy(results, workspace.cache / "figures", ledger)


def _run(trial: TrialResult) -> dict[str, object]:
    return {
        "row": trial.row,
        "seed": trial.seed,
        "status": trial.status,
        "run_id": trial.run_id,
        "workers": trial.workers,
        **trial.fingerprints,
        **trial.final,
    }


def _number(figure: float | None) -> float:
    return float("nan") if figure is None else figure


def _frame(table: TextTable) -> pd.DataFrame:
    return pd.DataFrame(list(table.body), columns=list(table.header))


def _empty(columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=columns)
