"""The test cases of a study as its pages open them: voxels where they can be seen, and scores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.types import Shape, Spacing
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.store.results import PREDICTIONS, TrialResult
from voxsiam_dashboards.store.trial_files import Overlay, read_prediction
from voxsiam_data.prepared.prepared_set import PreparedSet, read_arrays


@dataclass(frozen=True)
class GreyScale:
    """What the grey values 0 and 255 stand for, in HU; without a unit where nobody can tell."""

    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True, eq=False)
class CaseVolumes:
    """One case on the training grid.

    Attributes:
        version: Changes whenever the voxels do.
        shape: Along d, h, w, as `spacing_mm`.
        arrays: Reads image and ground truth.
        window: Intensities that become grey value 0 and 255; None where those are the image's own
            least and greatest.
        known_scale: What these two stand for, where it is not the intensities themselves.
    """

    version: str
    shape: Shape
    spacing_mm: Spacing
    arrays: Callable[[], tuple[np.ndarray, np.ndarray]]
    window: tuple[float, float] | None = None
    known_scale: GreyScale | None = None

    def grey_scale(self) -> GreyScale:
        """Tell what the grey values mean."""
        return self.known_scale or GreyScale(*_range(self.arrays()[0]))

    def grey(self) -> UInt8[np.ndarray, "d h w"]:
        """Return the image in 256 grey values."""
        image, _ = self.arrays()
        return to_grey(image, *(self.window or _range(image)))

    def label(self) -> UInt8[np.ndarray, "d h w"]:
        """Return the ground truth."""
        return self.arrays()[1]


class CaseReader:
    """Opens the test cases of one study; what is not there is a UserError."""

    def __init__(self, store: CachedStore, run_id: str) -> None:
        self._store, self.run_id = store, run_id
        self.rows = tuple(row.label for row in store.table(run_id).rows)
        self.trials = tuple(t for t in store.study(run_id).trials if t.finished)
        self.prepared, self.organs = store.prepared_set(run_id), store.study(run_id).organs
        self.cases = tuple(sorted({name for t in self.trials for name in t.cases["case_id"]}))

    @property
    def openable(self) -> tuple[str, ...]:
        """The cases whose voxels can be seen from here."""
        return tuple(case_id for case_id in self.cases if self._volumes(case_id) is not None)

    def volumes(self, case_id: str) -> CaseVolumes:
        """Open a test case of the study, where its voxels can be seen from here."""
        found = self._volumes(case_id) if case_id in self.cases else None
        if found is None:
            raise UserError(
                "this case cannot be opened",
                where=case_id[:80],
                fix="choose a test case of the study; voxsiam dashboard --data PREPARED shows all",
            )
        return found

    def scored_organs(self, case_id: str) -> set[str]:
        """Name the organs of a case that its annotator looked for: those with scores."""
        found = (t.cases.loc[t.cases["case_id"] == case_id, "organ"] for t in self.trials)
        return set().union(*found)

    def predicting(self, case_id: str) -> list[TrialResult]:
        """List the trainings whose prediction of a case is kept, in the table's order."""
        found = [
            trial
            for trial in self.trials
            if case_id in set(trial.cases["case_id"])
            and (trial.keeps_predictions or _overlay(trial, case_id) is not None)
        ]
        return sorted(found, key=lambda t: (self.row_number(t.row), t.row, t.seed))

    def row_number(self, row: str) -> int:
        """Return the place of a row in the table; strangers come last."""
        return self.rows.index(row) if row in self.rows else len(self.rows)

    def prediction(self, trial_id: str, case_id: str) -> UInt8[np.ndarray, "d h w"]:
        """Read what a training of the study predicted for a case, where it has kept that."""
        trial = next((t for t in self.predicting(case_id) if t.run_id == trial_id), None)
        found = trial and self._predicted(trial, case_id)
        if found is None or found.shape != self.volumes(case_id).shape:
            raise UserError(
                "no prediction of this case can be read from this run",
                where=trial_id[:80],
                fix="choose another row, or run the study again: voxsiam study resume NAME",
            )
        return found

    def _predicted(self, trial: TrialResult, case_id: str) -> UInt8[np.ndarray, "d h w"] | None:
        overlay = _overlay(trial, case_id)
        if not trial.keeps_predictions:
            return overlay and overlay.prediction
        reader = RunReader(self._store.tracking_uri)
        run = reader.find(trial.run_id)
        return run and reader.read(run, PREDICTIONS, self._in_file(case_id))

    def _in_file(self, case_id: str) -> Callable[[Path], UInt8[np.ndarray, "d h w"]]:
        return lambda path: read_prediction(path, case_id, organs=len(self.organs))

    def _volumes(self, case_id: str) -> CaseVolumes | None:
        if self.prepared is not None and any(c.case_id == case_id for c in self.prepared.cases):
            return prepared_volumes(self.prepared, case_id)
        for trial in self.trials:
            overlay = _overlay(trial, case_id)
            if overlay is not None:
                return overlay_volumes(overlay, trial.run_id)
        return None


def overlay_volumes(overlay: Overlay, run_id: str) -> CaseVolumes:
    """Show the one case that a run keeps whole; nobody knows how its image was prepared."""
    d, h, w = overlay.label.shape
    arrays = overlay.image, overlay.label
    return CaseVolumes(run_id, (d, h, w), overlay.spacing_mm, lambda: arrays)


def prepared_volumes(prepared: PreparedSet, case_id: str) -> CaseVolumes:
    """Show a case of a prepared set.

    Its checksums are not compared: that takes longer than to show it, and who trains does it.
    """
    case, config = prepared.case(case_id), prepared.config
    window = stored_window(config)
    return CaseVolumes(
        case.key,
        case.shape,
        case.spacing_mm,
        lambda: read_arrays(prepared.folder(case), case),
        window,
        # Standard scores of a volume have lost theirs.
        known_scale=window and GreyScale(*config.window_hu, unit="HU"),
    )


def stored_window(config: PreparationConfig) -> tuple[float, float] | None:
    """Return the window's ends as prepared images hold them; None where each has its own."""
    if config.intensity == "zscore_volume":
        return None
    if config.mean_hu is None or config.std_hu is None:
        return 0.0, 1.0
    low, high = ((end - config.mean_hu) / config.std_hu for end in config.window_hu)
    return low, high


def to_grey(
    image: Float[np.ndarray, "d h w"], low: float, high: float
) -> UInt8[np.ndarray, "d h w"]:
    """Scale intensities so that `low` becomes 0 and `high` 255; slice by slice, to spare memory."""
    grey = np.empty(image.shape, np.uint8)
    scale = 255 / (high - low) if high > low else 0.0
    for target, cut in zip(grey, image, strict=True):
        scaled = (cut.astype(np.float32) - np.float32(low)) * np.float32(scale)
        np.clip(np.nan_to_num(scaled + 0.5, copy=False), 0, 255, out=scaled)
        target[...] = scaled
    return grey


def _overlay(trial: TrialResult, case_id: str) -> Overlay | None:
    """Return the picture that a run keeps whole, where it is of this case."""
    overlay = trial.overlay
    return overlay if overlay is not None and overlay.case_id == case_id else None


def _range(image: Float[np.ndarray, "d h w"]) -> tuple[float, float]:
    return float(image.min()), float(image.max())
