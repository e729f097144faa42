"""A study read from MLflow in bulk: what is missing is noted, not fatal."""

from collections.abc import Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import pandas as pd
from mlflow.entities import Run

from voxsiam.errors import UserError, nearest_name
from voxsiam.orchestration.tracking.reader import RunReader, tags_of
from voxsiam.training.usage import USAGE_NAMES
from voxsiam_dashboards.store.results import (
    CURVE_COLUMNS,
    PREDICTIONS,
    StudyResults,
    TrialResult,
    planned_organs,
)
from voxsiam_dashboards.store.trial_files import (
    SCORE_COLUMNS,
    read_cases,
    read_features,
    read_object,
    read_overlay,
)

Files = Literal["all", "report", "none"]

CURVES = ("train/loss", "validation/dsc", *USAGE_NAMES)
"""The figures of every epoch that are read, one by one: MLflow has no call for many."""

REPORTED_COLUMNS = tuple(name for name in SCORE_COLUMNS if "_mm_grid" not in name)
"""Of the test cases, what the tables, charts and scores of a report are made of."""

_FINAL, _MANIFEST, _FEATURES = "test/", "manifest.json", "test/features.npz"
_NAMED = {"case_id": "category", "organ": "category"}
_FINGERPRINTS = ("run", "recipe", "data", "split", "method_version")

_AT_ONCE = 8
"""Trials that are asked for at the same time: a server answers several as fast as one."""

# Made once: an empty table takes as long as reading a run.
_NO_CURVES, _NO_CASES = (
    pd.DataFrame(columns=list(names)) for names in (CURVE_COLUMNS, SCORE_COLUMNS)
)


def find_study(tracking_uri: str, study_id: str) -> str:
    """Find the parent run of a study; the newest, should there be several."""
    reader = RunReader(tracking_uri)
    studies = list(reader.search("tags.`voxsiam.kind` = 'study'"))
    for run in studies:
        if run.data.tags.get("voxsiam.study_id") == study_id:
            return run.info.run_id
    known = tuple({run.data.tags.get("voxsiam.study_id", "") for run in studies})
    raise UserError(
        f"there is no study '{study_id}'",
        where=tracking_uri,
        fix=nearest_name(study_id, known) if known else "run one: `voxsiam study run NAME`",
    )


def load_study(
    tracking_uri: str,
    parent_run_id: str,
    kept: MutableMapping[str, TrialResult] | None = None,
    runs: Iterable[Run] | None = None,
    *,
    files: Files = "all",
) -> StudyResults:
    """Read a study with all its trials; missing files are noted, not fatal.

    Two runs of one row and seed count once: the finished one, else the newest.

    Args:
        kept: Finished trials by their runs, from an earlier call: they are not read again, and
            those that have finished since are added.
        runs: Of the study, the newest first, where they have been read.
        files: Which files and curves of the trials are kept: all, those that a report shows, or
            none, which leaves what the runs themselves tell.
    """
    reader = RunReader(tracking_uri)
    parent = _parent(reader, parent_run_id)
    notes: list[str] = []
    unread: list[str] = []
    plan = reader.read(parent, "study/plan.json", read_object, unread) or {}
    if runs is None:
        runs = reader.search(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    chosen = one_per_seed(runs, notes)
    if files == "none":
        trials, noted = [_told(chosen[key]) for key in sorted(chosen)], dict[str, list[str]]()
    else:
        organs = planned_organs(plan)
        trials, noted = _read_trials(reader, chosen, organs, kept, whole=files == "all")
    unread += [note for run in chosen.values() for note in noted.get(run.info.run_id, ())]
    if not trials:
        notes.append("No trial of this study has started yet.")
    cases, tags = plan.get("cases"), parent.data.tags
    untested = isinstance(cases, dict) and cases.get("test") == 0
    return StudyResults(
        study=tags.get("voxsiam.study", ""),
        preset=tags.get("voxsiam.preset", str(plan.get("preset", ""))),
        study_id=tags.get("voxsiam.study_id", ""),
        experiment_id=parent.info.experiment_id,
        parent_run_id=parent.info.run_id,
        plan=plan,
        trials=tuple(trials),
        fingerprints=tags_of(parent, ("data", "data_name", "split")),
        notes=(*unread, *notes),
        # Without test cases a run owes no scores.
        unread=() if untested else tuple(unread),
    )


def _parent(reader: RunReader, run_id: str) -> Run:
    run = reader.find(run_id)
    if run is None:
        raise UserError(
            f"there is no run '{run_id}'",
            where=reader.tracking_uri,
            fix="find the study's run first: `voxsiam study list`",
        )
    if run.data.tags.get("voxsiam.kind") != "study":
        raise UserError(
            f"run '{run_id}' is no study",
            where=reader.tracking_uri,
            fix="name the parent run, not one of its trials",
        )
    return run


def one_per_seed(runs: Iterable[Run], notes: list[str]) -> dict[tuple[str, int], Run]:
    """Choose one run by row and seed: the finished one, else the first; the others are noted."""
    chosen: dict[tuple[str, int], Run] = {}
    for run in runs:
        row, seed = (run.data.tags.get(f"voxsiam.{name}", "") for name in ("row", "seed"))
        if run.data.tags.get("voxsiam.kind") != "trial" or not (row and seed.isdecimal()):
            notes.append(f"Run {run.info.run_id} is no trial with a row and a seed; left out.")
            continue
        known = chosen.setdefault((row, int(seed)), run)
        if known is not run:
            # The newest come first: an older run only counts when it alone has finished.
            if run.info.status == "FINISHED" != known.info.status:
                chosen[row, int(seed)] = run
            notes.append(f"'{row}' with seed {seed} was run more than once; one run counts.")
    return chosen


def _read_trials(
    reader: RunReader,
    chosen: Mapping[tuple[str, int], Run],
    organs: tuple[str, ...],
    kept: MutableMapping[str, TrialResult] | None,
    *,
    whole: bool,
) -> tuple[list[TrialResult], dict[str, list[str]]]:
    """Read trials in the order of row and seed; return them, and by run what could not be read."""
    ordered = [chosen[key] for key in sorted(chosen)]
    trials, noted, shown = list[TrialResult](), dict[str, list[str]](), set[tuple[str, str]]()

    def read(run: Run) -> tuple[TrialResult, list[str]]:
        notes: list[str] = []
        if kept is not None and run.info.run_id in kept:
            return kept[run.info.run_id], notes
        trial = _trial(reader, run, organs, notes)
        if kept is not None and trial.finished and not notes:
            kept[run.info.run_id] = trial
        return trial, notes

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for trial, notes in pool.map(read, ordered):
            trials.append(trial if whole else _as_reported(trial, shown))
            noted[trial.run_id] = notes
    return trials, noted


def _as_reported(trial: TrialResult, shown: set[tuple[str, str]]) -> TrialResult:
    """Keep what a report shows, of a row one picture: of a thousand trials the rest is gigabytes.

    Args:
        shown: Rows whose picture, and whose features, came before; this one's are added.
    """
    cases = trial.cases.loc[:, list(REPORTED_COLUMNS)].astype(_NAMED)
    # Copied: else the columns that are left out stay with it.
    kept: dict[str, Any] = {"cases": cases.copy()}
    for name in ("overlay", "features"):
        if (trial.row, name) in shown:
            kept[name] = None
        elif getattr(trial, name) is not None:
            shown.add((trial.row, name))
    return replace(trial, **kept)


def _trial(reader: RunReader, run: Run, organs: tuple[str, ...], notes: list[str]) -> TrialResult:
    told = _told(run)
    # Only what a finished run owes is worth a note when it is missing.
    noted = notes if run.info.status == "FINISHED" else []
    if not told.final:
        noted.append(f"Run {run.info.run_id} is marked as finished but has no test scores.")
    cases = reader.read(run, "test/cases.csv", partial(read_cases, organs=organs), noted)
    of_voxels = partial(read_features, organs=organs)
    trained = _trained(reader, run, noted)
    # Runs that have not finished have no manifest.
    there = _MANIFEST in reader.files(run, "")
    manifest = (reader.read(run, _MANIFEST, read_object, noted) if there else None) or {}
    left = reader.files(run, "test")
    recorded = reader.read(trained, "config/environment.json", read_object) or {}
    return replace(
        told,
        recipe=reader.read(run, "config/recipe.json", read_object, noted) or {},
        curves=_curves(reader, trained),
        cases=told.cases if cases is None else cases,
        overlay=reader.read(run, "test/overlay.npz", read_overlay, noted),
        # Runs without test cases owe none.
        features=reader.read(run, _FEATURES, of_voxels, noted) if _FEATURES in left else None,
        keeps_predictions=PREDICTIONS in left,
        environment=environment_of(manifest, recorded),
        workers=workers_of(manifest, trained.data.params),
        trained_in=trained.data.tags.get("voxsiam.study", "") if trained is not run else "",
    )


def _told(run: Run) -> TrialResult:
    """Tell of a trial what its run alone tells: no file is read, and no curve."""
    tags, metrics = run.data.tags, run.data.metrics
    return TrialResult(
        row=tags["voxsiam.row"],
        seed=int(tags["voxsiam.seed"]),
        run_id=run.info.run_id,
        status=run.info.status,
        fingerprints=tags_of(run, _FINGERPRINTS),
        recipe={},
        final={k.removeprefix(_FINAL): v for k, v in metrics.items() if k.startswith(_FINAL)},
        curves=_NO_CURVES,
        cases=_NO_CASES,
    )


def _trained(reader: RunReader, run: Run, notes: list[str]) -> Run:
    """Return the run that holds the epochs: the run itself, or that of another study."""
    source = run.data.tags.get("voxsiam.source_run")
    if source is None:
        return run
    found = reader.find(source)
    if found is None:
        notes.append(f"Run {run.info.run_id}: the run it links to, {source}, is gone.")
    return found or run


def newest_points(points: Iterable[tuple[int, str, float, int]]) -> pd.DataFrame:
    """Keep the newest value for each metric and step: a resumed run may have logged more.

    Args:
        points: Step, metric, value and timestamp, in any order.
    """
    curves = pd.DataFrame(points, columns=[*CURVE_COLUMNS, "timestamp"])
    curves = curves.sort_values(["metric", "step", "timestamp"], kind="stable")
    newest = curves.drop_duplicates(["metric", "step"], keep="last")
    return newest.loc[:, list(CURVE_COLUMNS)].reset_index(drop=True)


def _curves(reader: RunReader, run: Run) -> pd.DataFrame:
    return newest_points(
        (point.step, point.key, point.value, point.timestamp)
        for key in CURVES
        if key in run.data.metrics
        for point in reader.history(run.info.run_id, key)
    )


def environment_of(manifest: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, str]:
    """Name versions, system and device: as the manifest has them, else as they were recorded.

    Args:
        manifest: Content of the run's `manifest.json`, whatever that is.
        recorded: Content of `config/environment.json`, written before the training.
    """
    found = manifest.get("environment")
    told = dict(found) if isinstance(found, Mapping) else dict(recorded)
    libraries = told.pop("libraries", {})
    named = told | (dict(libraries) if isinstance(libraries, Mapping) else {})
    return {str(name): str(value) for name, value in sorted(named.items())}


def workers_of(manifest: Mapping[str, Any], parameters: Mapping[str, str]) -> int | None:
    """Count the DDP workers: as the manifest has them, else as they were planned."""
    told = str(manifest.get("workers", parameters.get("workers", "")))
    return int(told) if told.isdecimal() and int(told) > 0 else None
