"""Whether the scores of every test case follow from its voxels: predicted, and annotated."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from os import sched_getaffinity
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.metrics.case_scores import NativePair, score_case
from voxsiam.metrics.distance_config import DistanceConfig
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.orchestration.runs.manifest import CASES_FILE
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.run_checks import CheckedRun
from voxsiam_dashboards.evidence.run_files import NATIVE_PREDICTIONS, OVERLAY
from voxsiam_dashboards.store.results import PREDICTIONS
from voxsiam_dashboards.store.trial_files import Overlay, read_overlay, read_prediction
from voxsiam_data.prepared.prepared_set import PreparedSet

Progress = Callable[[int, int], None]


def silently(done: int, total: int) -> None:
    """Show no progress."""
    del done, total


_NATIVE = tuple(field.name for field in fields(OrganScore) if field.name.endswith("_native"))
_HEADER_BYTES = 4096


@dataclass(frozen=True)
class ScoredRun:
    """A run beside what its cases.csv says."""

    run: CheckedRun
    scores: Sequence[OrganScore]

    @property
    def where(self) -> str:
        """How it is named where something differs."""
        return f"{self.run.named(CASES_FILE)} against its voxels"


@dataclass(frozen=True)
class _Task:
    """One test case of one run, as it is sent to a process."""

    where: str
    case_id: str
    prepared: PreparedSet
    on_grid: Path
    on_scan: Path | None
    written: tuple[OrganScore, ...]
    distances: DistanceConfig


def check_scores(
    runs: Sequence[ScoredRun],
    prepared: PreparedSet | None,
    check: Check,
    progress: Progress,
) -> None:
    """Score the kept predictions again, in as many processes as there are processors.

    Args:
        runs: With the scores as they were written.
        prepared: The set that they were tested on; without it only the pictured cases are scored.
        check: What differs is added to it.
        progress: Called with the number of cases done, and of all.
    """
    for scored in runs:
        _check_overlay(scored, check)
    if prepared is None:
        check.skip("cases other than the pictured ones: the prepared set is not on this machine")
        return
    planned = {one.run.planned.run.data.fingerprint for one in runs}
    for name in sorted(planned):
        found = {"data": prepared.fingerprint}
        check.compare(f"prepared set in {prepared.root}", {"data": name}, found)
    if planned != {prepared.fingerprint}:
        return
    with ExitStack() as held:
        tasks = [task for one in runs for task in _tasks(one, prepared, check, held)]
        progress(0, len(tasks))
        for done, (task, outcome) in enumerate(_scored(tasks), start=1):
            _compare(task, outcome, check)
            progress(done, len(tasks))


def _tasks(
    scored: ScoredRun, prepared: PreparedSet, check: Check, held: ExitStack
) -> Iterator[_Task]:
    run = scored.run
    kept = run.store.files(run.trial.run_id)
    if PREDICTIONS not in kept:
        check.skip("runs that kept no predictions")
        return
    if NATIVE_PREDICTIONS not in kept:
        check.skip("scores on the scans' own grids of earlier runs: no such label map was kept")
    try:
        on_grid, on_scan = (
            held.enter_context(run.store.fetched(run.trial.run_id, name)) if name in kept else None
            for name in (PREDICTIONS, NATIVE_PREDICTIONS)
        )
    except UserError as error:
        check.unreadable(scored.where, error.what)
        return
    for case_id in run.planned.run.split.test:
        written = tuple(score for score in scored.scores if score.case_id == case_id)
        if on_grid is not None:
            distances = run.planned.run.recipe.scoring
            yield _Task(scored.where, case_id, prepared, on_grid, on_scan, written, distances)


def _scored(tasks: Sequence[_Task]) -> Iterator[tuple[_Task, list[OrganScore] | str]]:
    """Score in processes of their own; the first that is done comes first."""
    processes = max(1, min(len(sched_getaffinity(0)), len(tasks)))
    # Not forked: MLflow's threads are running here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures = {pool.submit(_score, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _score(task: _Task) -> list[OrganScore] | str:
    """Score one case from its voxels; say why where that cannot be."""
    try:
        volume = task.prepared.load(task.case_id)
        predicted = read_prediction(task.on_grid, task.case_id)
        native = None
        if task.on_scan is not None:
            reference = task.prepared.load_native(task.case_id)
            most = reference.label.size + _HEADER_BYTES
            on_scan = read_prediction(task.on_scan, task.case_id, most)
            native = NativePair(on_scan, reference.label, reference.spacing_mm)
        rules = ScoringRules(organs=volume.annotated, distances=task.distances)
        return score_case(
            task.case_id, predicted, volume.label, volume.spacing_mm, native, rules=rules
        )
    except (UserError, ValueError) as error:
        return str(error).splitlines()[0]


def _compare(task: _Task, outcome: list[OrganScore] | str, check: Check) -> None:
    if isinstance(outcome, str):
        check.unreadable(f"{task.where}, case {task.case_id}", outcome)
        return
    left_out = _NATIVE if task.on_scan is None else ()
    check.compare(task.where, _figures(outcome, left_out), _figures(task.written, left_out))


def _check_overlay(scored: ScoredRun, check: Check) -> None:
    """Score the one case whose voxels lie in the picture."""
    overlay = scored.run.read(OVERLAY, read_overlay, check)
    if overlay is None:
        return
    written = tuple(score for score in scored.scores if score.case_id == overlay.case_id)
    try:
        computed = _score_overlay(overlay, written, scored.run.planned.run.recipe.scoring)
    except (ValueError, UserError) as error:
        check.unreadable(scored.run.named(OVERLAY), f"{error!s:.120}".splitlines()[0])
        return
    where = f"{scored.run.named(OVERLAY)} against cases.csv"
    check.compare(where, _figures(computed, _NATIVE), _figures(written, _NATIVE))


def _score_overlay(
    overlay: Overlay, written: Sequence[OrganScore], distances: DistanceConfig
) -> list[OrganScore]:
    organs = tuple(score.organ for score in written)
    rules = ScoringRules(organs=organs, distances=distances)
    return score_case(
        overlay.case_id, overlay.prediction, overlay.label, overlay.spacing_mm, rules=rules
    )


def _figures(scores: Sequence[OrganScore], left_out: Sequence[str]) -> dict[str, object]:
    return {
        f"case {score.case_id}, {score.organ}, {name}": value
        for score in scores
        for name, value in asdict(score).items()
        if name not in ("case_id", "organ", *left_out)
    }
