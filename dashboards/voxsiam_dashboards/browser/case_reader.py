"""The test cases of a study as its pages open them: voxels where they can be seen, and scores."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.types import ORGANS
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.store.case_volumes import CaseVolumes, OverlayVolumes, PreparedVolumes
from voxsiam_dashboards.store.results import PREDICTIONS, TrialResult
from voxsiam_dashboards.store.trial_files import read_prediction


class CaseReader:
    """Opens the test cases of one study.

    Raises:
        UserError: There is no such study.
    """

    def __init__(self, store: CachedStore, run_id: str) -> None:
        self._store = store
        self.rows = tuple(row.label for row in store.table(run_id).rows)
        results = store.study(run_id)
        self.trials = tuple(trial for trial in results.trials if trial.finished)
        self.prepared = store.prepared(results.fingerprints.get("data", ""))
        self.cases = tuple(sorted({name for trial in self.trials for name in _cases_of(trial)}))

    @property
    def openable(self) -> tuple[str, ...]:
        """The cases whose voxels can be seen from here."""
        return tuple(case_id for case_id in self.cases if self._volumes(case_id) is not None)

    def volumes(self, case_id: str) -> CaseVolumes:
        """Open a case.

        Raises:
            UserError: It is no test case of the study, or its voxels cannot be seen from here.
        """
        found = self._volumes(case_id) if case_id in self.cases else None
        if found is None:
            raise UserError(
                "this case cannot be opened",
                where=case_id[:80],
                fix="choose a test case of the study; voxsiam dashboard --data PREPARED shows all",
            )
        return found

    def predicting(self, case_id: str) -> list[TrialResult]:
        """List the trainings whose prediction of a case is kept, in the table's order."""
        found = [t for t in self.trials if case_id in _cases_of(t) and _keeps(t, case_id)]
        return sorted(found, key=lambda t: (self.row_number(t.row), t.row, t.seed))

    def row_number(self, row: str) -> int:
        """Return the place of a row in the table; strangers come last."""
        return self.rows.index(row) if row in self.rows else len(self.rows)

    def prediction(self, trial_id: str, case_id: str) -> UInt8[np.ndarray, "d h w"]:
        """Read what a training predicted for a case.

        Raises:
            UserError: It is none of the study's, or kept nothing of this case that can be used.
        """
        trial = next((t for t in self.predicting(case_id) if t.run_id == trial_id), None)
        if trial is None:
            raise _unknown(trial_id)
        found = self._kept(trial, case_id) if trial.keeps_predictions else _overlaid(trial)
        if found is None or found.shape != self.volumes(case_id).shape:
            raise _unknown(trial_id)
        return found

    def _kept(self, trial: TrialResult, case_id: str) -> UInt8[np.ndarray, "d h w"] | None:
        reader = RunReader(self._store.tracking_uri)
        run = reader.find(trial.run_id)
        return run and reader.read(run, PREDICTIONS, lambda path: read_prediction(path, case_id))

    def _volumes(self, case_id: str) -> CaseVolumes | None:
        if self.prepared is not None and any(c.case_id == case_id for c in self.prepared.cases):
            return PreparedVolumes(self.prepared, case_id)
        for trial in self.trials:
            if trial.overlay is not None and trial.overlay.case_id == case_id:
                return OverlayVolumes(trial.overlay, trial.run_id)
        return None


def scored_organs(trials: Sequence[TrialResult], case_id: str) -> list[int]:
    """List the values of the organs of a case that its annotator looked for: those with scores."""
    names = {
        organ
        for trial in trials
        for organ in trial.cases.loc[trial.cases["case_id"] == case_id, "organ"]
    }
    return [value for value, organ in enumerate(ORGANS, start=1) if organ in names]


def case_dsc(trial: TrialResult, case_id: str) -> float | None:
    """Mean DSC over the organs of a case; None where none is defined."""
    dsc = trial.cases.loc[trial.cases["case_id"] == case_id, "dsc"].dropna()
    return float(dsc.mean()) if len(dsc) else None


def _cases_of(trial: TrialResult) -> set[str]:
    return set(trial.cases["case_id"])


def _keeps(trial: TrialResult, case_id: str) -> bool:
    overlay = trial.overlay
    return trial.keeps_predictions or (overlay is not None and overlay.case_id == case_id)


def _overlaid(trial: TrialResult) -> UInt8[np.ndarray, "d h w"] | None:
    return None if trial.overlay is None else trial.overlay.prediction


def _unknown(trial_id: str) -> UserError:
    return UserError(
        "no prediction of this case can be read from this run",
        where=trial_id[:80],
        fix="choose another row, or run the study again: voxsiam study resume NAME",
    )
