"""What the pages show: one tracking store, read through a memory of what no longer changes."""

import logging
import time
from collections.abc import Callable, Hashable
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from pydantic import ValidationError

from voxsiam.errors import UserError
from voxsiam.orchestration.choice import Choice, choose
from voxsiam.orchestration.studies.table import Row, Table
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.training.recipe import Recipe
from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.store.run_splits import StudySplits, read_splits
from voxsiam_dashboards.store.study_list import (
    Kind,
    LiveRuns,
    Runs,
    StudyEntry,
    TrialProgress,
    list_studies,
    progress_of,
)
from voxsiam_dashboards.store.study_reading import load_study
from voxsiam_dashboards.store.sweep_results import SweepResults, load_sweep
from voxsiam_dashboards.tables.report_table import ReportTable, build_table
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_experiments.studies import STUDIES

FRESH_S = 2.0
"""A store is not asked again for what it has just told."""

STUDIES_KEPT = 4
"""Whole studies in memory. A finished run keeps one test case: 4 MB at the paper's size."""

T = TypeVar("T")
log = logging.getLogger(__name__)
Mark = tuple[Hashable, ...]


class CachedStore:
    """Reads a tracking store for the pages; several threads may ask at once.

    Args:
        cache: Folder for what takes long to compute.
        mlflow_ui: Where links to runs lead.
        prepared: A prepared set by its fingerprint, where this machine sees it.
    """

    def __init__(
        self,
        tracking_uri: str,
        cache: Path,
        mlflow_ui: str,
        prepared: Callable[[str], PreparedSet | None] = lambda _: None,
    ) -> None:
        self.tracking_uri, self.cache, self.mlflow_ui = tracking_uri, cache, mlflow_ui
        self._prepared = prepared
        self._recent: dict[Hashable, tuple[float, Any]] = {}
        self._asking: dict[Hashable, Lock] = {}
        self._lock = Lock()
        of_study = lru_cache(STUDIES_KEPT)
        self._live = of_study(lambda run_id: LiveRuns(self._reader, run_id))
        self._trials = of_study(lambda _: dict[str, TrialResult]())
        self._tables = of_study(lambda _: dict[Mark, ReportTable]())

    @cached_property
    def _reader(self) -> RunReader:
        """Opened once, when the store is there."""
        return RunReader(self.tracking_uri)

    def studies(self) -> list[StudyEntry]:
        """List studies and sweeps, the newest first."""
        return self._fresh("studies", lambda: list_studies(self._reader))

    def entry(self, run_id: str) -> StudyEntry:
        """Return the one whose own run has this name; a UserError where there is none."""
        for entry in self.studies():
            if entry.run_id == run_id:
                return entry
        raise UserError(
            "there is no such study or sweep in this store",
            where=f"run {run_id} in {self.tracking_uri}",
            fix="look for it in the list of studies; it may lie in another store",
        )

    def named(self, kind: Kind, text: str) -> StudyEntry:
        """Return the study or sweep that an id means, or a name that one of them has.

        A UserError lists them where none is meant, or several are.
        """
        choices = [
            Choice(e.name, e.study_id, f"{e.preset}, {e.data_name}, {e.state}", e)
            for e in self.studies()
            if e.kind == kind
        ]
        return choose(text, choices, kind, self.tracking_uri)

    def progress(self, run_id: str) -> list[TrialProgress]:
        """Tell how far the trainings of a study are."""
        return self._fresh(("progress", run_id), lambda: progress_of(self._runs(run_id)))

    def figures(self, run_id: str) -> ReportTable:
        """Return the table of a study with its figures alone: what runs tell without their files.

        It has no comparisons, curves and cases; a thousand runs take seconds, not a minute.
        """
        self.entry(run_id)
        results = load_study(self.tracking_uri, run_id, runs=self._runs(run_id), files="none")
        return build_table(_table_of(results), results)

    def _runs(self, run_id: str) -> Runs:
        return self._fresh(("runs", run_id), lambda: self._live(run_id).read())

    def study(self, run_id: str) -> StudyResults:
        """Return a study whole; its finished trials are read once."""
        self.entry(run_id)
        return self._fresh(
            ("study", run_id),
            lambda: load_study(self.tracking_uri, run_id, self._trials(run_id), self._runs(run_id)),
        )

    def table(self, run_id: str) -> ReportTable:
        """Return a study as the table of the paper that it measures again."""
        results, kept = self.study(run_id), self._tables(run_id)
        table = kept.get(_mark(results))
        if table is None:
            table = build_table(_table_of(results), results)
            kept.clear()
            kept[_mark(results)] = table
        return table

    def prepared_set(self, run_id: str) -> PreparedSet | None:
        """Return the data of a study, where this machine sees them."""
        return self._prepared(self.study(run_id).fingerprints.get("data", ""))

    def splits(self, run_id: str) -> StudySplits:
        """Tell which cases the runs of a study saw."""
        results = self.study(run_id)
        return self._fresh(("splits", run_id), lambda: read_splits(self.tracking_uri, results))

    def sweep(self, run_id: str) -> SweepResults:
        """Return a sweep."""
        study_id = self.entry(run_id).study_id
        return self._fresh(("sweep", run_id), lambda: load_sweep(self.tracking_uri, study_id))

    def forget(self, run_id: str) -> None:
        """Read a study anew when it is asked for, however fresh it is."""
        with self._lock:
            self._recent.pop(("study", run_id), None)

    def run_address(self, run_id: str) -> str:
        """Return where MLflow shows a run."""
        experiment = next((e.experiment_id for e in self.studies() if e.experiment_id), "0")
        return f"{self.mlflow_ui}/#/experiments/{experiment}/runs/{run_id}"

    def _fresh(self, key: Hashable, read: Callable[[], T]) -> T:
        with self._lock:
            asking = self._asking.setdefault(key, Lock())
        # What a page asks for twice at the same time is read once.
        with asking:
            now = time.monotonic()
            known = self._recent.get(key)
            if known is not None and now - known[0] < FRESH_S:
                return known[1]
            found = read()
            with self._lock:
                self._recent = {k: v for k, v in self._recent.items() if now - v[0] < FRESH_S}
                self._recent[key] = (time.monotonic(), found)
            return found


def _table_of(results: StudyResults) -> Table:
    """Return the declared table, or one of the rows that are there: a store may hold anything."""
    if "table" in results.plan:
        try:
            return Table.model_validate(results.plan["table"])
        except ValidationError:
            log.warning("the table of %s cannot be read", results.study_id)
    if results.study in STUDIES:
        return STUDIES[results.study]
    planned = results.plan.get("rows")
    named = planned if isinstance(planned, list) else []
    labels = dict.fromkeys(label for label in named if isinstance(label, str))
    labels |= dict.fromkeys(trial.row for trial in results.trials)
    rows = tuple(Row(label=label, recipe=Recipe()) for label in labels)
    # A store may hold any name and any rows: nothing is checked.
    return Table.model_construct(name=results.study, title=results.study, rows=rows)


def _mark(results: StudyResults) -> Mark:
    """Tell two readings of a study apart: other trainings, or the same ones at another stage."""
    return results.notes, *((t.run_id, t.status, len(t.curves)) for t in results.trials)
