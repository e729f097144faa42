"""Whether the scores of every test case follow from its voxels: predicted, and annotated."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from itertools import islice
from os import sched_getaffinity
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.metrics.case_scores import NativePair, score_case
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import DistanceConfig, ScoringRules
from voxsiam.orchestration.runs.manifest import CASES_FILE
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.run_checks import CheckedRun
from voxsiam_dashboards.evidence.run_files import NATIVE_PREDICTIONS, OVERLAY
from voxsiam_dashboards.store.results import PREDICTIONS
from voxsiam_dashboards.store.trial_files import read_overlay, read_prediction
from voxsiam_data.prepared.prepared_set import PreparedSet

Progress = Callable[[int, int], None]
"""Called with the number of cases done, and of all."""

_NATIVE = tuple(field.name for field in fields(OrganScore) if field.name.endswith("_native"))
_HEADER_BYTES = 4096
_WAITING = 4
"""Cases for each process that wait: with their scores those of a thousand runs are gigabytes."""


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
    runs: Sequence[CheckedRun], prepared: PreparedSet | None, check: Check, progress: Progress
) -> None:
    """Score the kept predictions again, in as many processes as there are processors.

    Args:
        runs: Whose scores can be read.
        prepared: The set that they were tested on; without it only the pictured cases are scored.
    """
    for run in runs:
        _check_overlay(run, check)
    if prepared is None:
        check.skip("cases other than the pictured ones: the prepared set is not on this machine")
        return
    planned = {run.planned.run.data.fingerprint for run in runs}
    for name in sorted(planned):
        check.compare_one(f"prepared set in {prepared.root}", "data", name, prepared.fingerprint)
    if planned != {prepared.fingerprint}:
        return
    kept = [run for run in runs if _keeps_predictions(run, check)]
    total = sum(len(run.planned.run.split.test) for run in kept)
    with ExitStack() as held:
        tasks = (task for run in kept for task in _tasks(run, prepared, check, held))
        progress(0, total)
        for done, (task, outcome) in enumerate(_scored(tasks, total), start=1):
            if isinstance(outcome, str):
                check.unreadable(f"{task.where}, case {task.case_id}", outcome)
            else:
                left_out = _NATIVE if task.on_scan is None else ()
                written = _figures(task.written, left_out)
                check.compare(task.where, _figures(outcome, left_out), written)
            progress(done, total)


def _keeps_predictions(run: CheckedRun, check: Check) -> bool:
    kept = run.store.files(run.trial.run_id)
    if PREDICTIONS not in kept:
        check.skip("runs that kept no predictions")
    elif NATIVE_PREDICTIONS not in kept:
        check.skip("scores on the scans' own grids of earlier runs: no such label map was kept")
    return PREDICTIONS in kept


def _tasks(
    run: CheckedRun, prepared: PreparedSet, check: Check, held: ExitStack
) -> Iterator[_Task]:
    where = f"{run.named(CASES_FILE)} against its voxels"
    store, run_id = run.store, run.trial.run_id
    scores = run.scores(check) or []
    try:
        on_grid = held.enter_context(store.fetched(run_id, PREDICTIONS))
        on_scan = None
        if NATIVE_PREDICTIONS in store.files(run_id):
            on_scan = held.enter_context(store.fetched(run_id, NATIVE_PREDICTIONS))
    except UserError as error:
        check.unreadable(where, error.what)
        return
    for case_id in run.planned.run.split.test:
        written = tuple(score for score in scores if score.case_id == case_id)
        distances = run.planned.run.recipe.scoring
        yield _Task(where, case_id, prepared, on_grid, on_scan, written, distances)


def _scored(tasks: Iterator[_Task], total: int) -> Iterator[tuple[_Task, list[OrganScore] | str]]:
    """Score in processes of their own; the first that is done comes first."""
    processes = max(1, min(len(sched_getaffinity(0)), total))
    # Not forked: MLflow's threads are running here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting: dict[Future[list[OrganScore] | str], _Task] = {}
        try:
            while True:
                room = _WAITING * processes - len(waiting)
                waiting |= {pool.submit(_score, task): task for task in islice(tasks, room)}
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _score(task: _Task) -> list[OrganScore] | str:
    """Score one case from its voxels; say why where that cannot be."""
    try:
        volume = task.prepared.load(task.case_id)
        organs = len(volume.organs)
        predicted = read_prediction(task.on_grid, task.case_id, organs=organs)
        native = None
        if task.on_scan is not None:
            reference = task.prepared.load_native(task.case_id)
            most = reference.label.size + _HEADER_BYTES
            on_scan = read_prediction(task.on_scan, task.case_id, most, organs=organs)
            native = NativePair(on_scan, reference.label, reference.spacing_mm)
        rules = ScoringRules(
            classes=volume.organs, organs=volume.annotated, distances=task.distances
        )
        return score_case(
            task.case_id, predicted, volume.label, volume.spacing_mm, native, rules=rules
        )
    except (UserError, ValueError) as error:
        return str(error).splitlines()[0]


def _check_overlay(run: CheckedRun, check: Check) -> None:
    """Score the one case whose voxels lie in the picture."""
    overlay = run.read(OVERLAY, read_overlay, check)
    if overlay is None:
        return
    scores = run.scores(check) or []
    written = tuple(score for score in scores if score.case_id == overlay.case_id)
    organs, planned = tuple(score.organ for score in written), run.planned.run
    try:
        rules = ScoringRules(
            classes=planned.data.organs, organs=organs, distances=planned.recipe.scoring
        )
        computed = score_case(
            overlay.case_id, overlay.prediction, overlay.label, overlay.spacing_mm, rules=rules
        )
    except (ValueError, UserError) as error:
        check.unreadable(run.named(OVERLAY), f"{error!s:.120}".splitlines()[0])
        return
    where = f"{run.named(OVERLAY)} against cases.csv"
    check.compare(where, _figures(computed, _NATIVE), _figures(written, _NATIVE))


def _figures(scores: Sequence[OrganScore], left_out: Sequence[str]) -> dict[str, object]:
    return {
        f"case {score.case_id}, {score.organ}, {name}": value
        for score in scores
        for name, value in asdict(score).items()
        if name not in ("case_id", "organ", *left_out)
    }
