"""What can be checked of one run without its voxels: its names, settings, files and curves."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.fingerprint import fingerprint
from voxsiam.metrics.case_scores import summarise
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.orchestration.runs.manifest import CASES_FILE, RunManifest, read_manifest
from voxsiam.orchestration.runs.plan import PlannedRun, split_fingerprint
from voxsiam.orchestration.tracking.names import (
    COMMIT_TAG,
    ENVIRONMENT_FILE,
    MANIFEST_TAG,
    RECIPE_FILE,
    SOURCE_TAG,
    SPLIT_FILE,
)
from voxsiam.orchestration.tracking.parent_run import ParentRun
from voxsiam.orchestration.tracking.run_store import RunStore, StoredRun
from voxsiam.types import Split
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.run_files import (
    CASES,
    EPOCHS,
    INCIDENTS,
    MANIFEST,
    read_epochs,
    read_lines,
    read_scores,
)
from voxsiam_dashboards.store.results import TrialResult
from voxsiam_dashboards.store.trial_files import read_object

T = TypeVar("T")
_IDENTITY = ("recipe", "data", "split", "seed", "method_version")
_SECONDS = "seconds/run"


@dataclass(frozen=True)
class CheckedRun:
    """A finished run of a study, and how its files are read.

    Attributes:
        planned: What it was to be.
        stored: What MLflow says of it.
        original: Folder in which the run was trained, where this machine still has it.
    """

    planned: PlannedRun
    trial: TrialResult
    stored: StoredRun
    store: RunStore
    original: Path

    @property
    def tags(self) -> Mapping[str, str]:
        """Our tags, without their common beginning."""
        return {name.removeprefix("voxsiam."): value for name, value in self.stored.tags.items()}

    def named(self, file: str) -> str:
        """Name one of the run's files."""
        trial = self.trial
        return f"run {trial.run_id} ({trial.row}, seed {trial.seed}), {file}"

    def read(self, name: str, read: Callable[[Path], T], check: Check) -> T | None:
        """Read one file; None, and a mismatch, where that cannot be."""
        try:
            return self.store.read(self.trial.run_id, name, read)
        except UserError as error:
            check.unreadable(self.named(name), error.what)
        except OSError as error:
            check.unreadable(self.named(name), str(error.strerror))
        return None

    def scores(self, check: Check) -> list[OrganScore] | None:
        """Read the scores of its test cases; None, and a mismatch, where that cannot be."""
        organs = self.planned.run.data.organs
        return self.read(CASES, partial(read_scores, organs=organs), check)


def check_run(
    run: CheckedRun, parent_run: ParentRun, checks: Mapping[str, Check], *, quick: bool = False
) -> dict[str, float] | None:
    """Check one run; of each curve the quick one compares the last epoch alone.

    Returns:
        Its test figures, from the scores of its cases as they are written; None where those cannot
        be read.
    """
    manifest = run.read(MANIFEST, read_manifest, checks["files"])
    _check_fingerprints(run, manifest, checks["fingerprints"])
    _check_settings(run, parent_run, manifest, checks["settings"])
    scores = None
    if manifest is not None:
        _check_manifest(run, checks["files"])
        _check_files(run, manifest, checks["files"])
        _check_curves(run, manifest, checks["curves"], quick=quick)
    if manifest is None or CASES_FILE in manifest.files:
        scores = run.scores(checks["metrics"])
    if scores is None:
        return None
    computed = numbers(summarise(scores, run.planned.run.data.organs))
    checks["metrics"].compare(run.named("metrics test/"), computed, numbers(run.trial.final))
    if manifest is not None:
        checks["metrics"].compare(run.named(MANIFEST), computed, manifest.summary)
    return computed


def numbers(figures: Mapping[str, float]) -> dict[str, float]:
    """Leave out what is not defined: it is not tracked."""
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _check_fingerprints(run: CheckedRun, manifest: RunManifest | None, check: Check) -> None:
    """Compare the run's tags with what they are the fingerprints of."""
    recipe = run.read(RECIPE_FILE, read_object, check)
    if recipe is not None:
        where, told = run.named(RECIPE_FILE), run.tags.get("recipe")
        check.compare_one(where, "recipe", fingerprint(recipe), told)
    split = run.read(SPLIT_FILE, _read_split, check)
    if split is not None:
        where, told = run.named(SPLIT_FILE), run.tags.get("split")
        check.compare_one(where, "split", split_fingerprint(split), told)
    check.compare_one(run.named("tags"), "run", _identity(run.tags), run.tags.get("run"))
    if manifest is not None:
        described = {
            "run": manifest.run_id,
            "recipe": manifest.recipe.fingerprint(),
            "data": manifest.data.fingerprint,
            "split": split_fingerprint(manifest.split),
            "seed": str(manifest.seed),
            "method_version": str(manifest.method_version),
        }
        found = {name: run.tags.get(name) for name in described}
        check.compare(run.named(MANIFEST), described, found)


def _check_settings(
    run: CheckedRun, parent_run: ParentRun, manifest: RunManifest | None, check: Check
) -> None:
    """Compare parameters, tags, data set and environment with the plan and the manifest."""
    planned, stored = run.planned, run.stored
    check.compare(run.named("parameters"), parent_run.params_of(planned), stored.params)
    tags = parent_run.tags_of(planned) | {"voxsiam.state": "finished"}
    if SOURCE_TAG in stored.tags:
        # Its own text names the study in which it was trained.
        tags.pop("mlflow.note.content")
    if manifest is not None and manifest.commit:
        tags[COMMIT_TAG] = manifest.commit
    check.compare(run.named("tags"), tags, {name: stored.tags.get(name) for name in tags})
    data = planned.run.data
    given = (data.name, data.fingerprint, f'{{"kind": "{data.kind}"}}')
    found = stored.data_sets[0] if stored.data_sets else None
    check.compare_one(run.named("data set"), "data set", given, found)
    recorded = run.read(ENVIRONMENT_FILE, read_object, check)
    if manifest is None:
        return
    if recorded is not None:
        used = manifest.environment.libraries | {"python": manifest.environment.python}
        check.compare(
            run.named(ENVIRONMENT_FILE), used, {name: recorded.get(name) for name in used}
        )
    due = {"name": data.name, "kind": data.kind, "workers": parent_run.workers}
    told = {"name": manifest.data.name, "kind": manifest.data.kind, "workers": manifest.workers}
    check.compare(run.named(MANIFEST), due, told)


def _check_manifest(run: CheckedRun, check: Check) -> None:
    """Compare the manifest with its seal in MLflow and with the run's own folder."""
    found, seal = run.read(MANIFEST, sha256_of, check), run.stored.tags.get(MANIFEST_TAG)
    check.compare_one(run.named(f"{MANIFEST} (tag {MANIFEST_TAG})"), "SHA-256", seal, found)
    original = run.original / MANIFEST
    if original.is_file():
        where = run.named(f"{MANIFEST} (as in {run.original})")
        check.compare_one(where, "SHA-256", sha256_of(original), found)


def _check_files(run: CheckedRun, manifest: RunManifest, check: Check) -> None:
    """Compare every result with its sum in the manifest; nothing else may lie there."""
    expected = {name if "/" in name else f"test/{name}": name for name in manifest.files}
    ours = {*expected, MANIFEST, INCIDENTS, RECIPE_FILE, SPLIT_FILE, ENVIRONMENT_FILE}
    for stray in sorted(run.store.files(run.trial.run_id) - ours):
        check.compare_one(run.named(stray), "file", "not in the manifest", "there")
    for stored, name in expected.items():
        digest, found = manifest.files[name], run.read(stored, sha256_of, check)
        if found is None:
            continue
        check.compare_one(run.named(stored), "SHA-256", digest, found)
        original = run.original / name
        if found != digest and name == CASES_FILE and _is(original, digest):
            # The run's own folder still tells which figure was changed.
            lines, theirs = read_lines(original), run.read(stored, read_lines, check) or {}
            check.compare(run.named(stored), lines, theirs)


def _check_curves(run: CheckedRun, manifest: RunManifest, check: Check, *, quick: bool) -> None:
    """Compare every figure of every epoch with the run's own record, and its seconds."""
    seconds = run.stored.metrics.get(_SECONDS)
    check.compare_one(run.named("metrics"), _SECONDS, manifest.seconds, seconds)
    epochs = run.read(EPOCHS, read_epochs, check)
    source = run.stored.tags.get(SOURCE_TAG, run.trial.run_id)
    trained = run.store.find(source)
    if epochs is None or trained is None:
        return  # a link that leads nowhere is told of by the links
    logged = {name for name in trained.metrics if not name.startswith("test/")} - {_SECONDS}
    where = run.named(f"curves against {EPOCHS}")
    if quick:
        # They come with the run; MLflow has to be asked for the others one by one.
        last = {name: points[max(points)] for name, points in epochs.items()}
        check.compare(where, last, {name: trained.metrics[name] for name in logged})
        return
    for name in sorted(logged | epochs.keys()):
        points = sorted(run.store.history(source, name), key=lambda p: (p.step, p.timestamp))
        newest = {f"{name}, epoch {point.step}": float(point.value) for point in points}
        written = {f"{name}, epoch {step}": v for step, v in epochs.get(name, {}).items()}
        check.compare(where, written, newest)


def _identity(tags: Mapping[str, str]) -> str:
    counts = ("seed", "method_version")
    try:
        parts = {name: int(tags[name]) if name in counts else tags[name] for name in _IDENTITY}
    except (KeyError, ValueError):
        return "a run with all of its tags"
    return fingerprint(parts)


def _read_split(path: Path) -> Split:
    try:
        return Split.model_validate(read_object(path))
    except ValueError as error:
        raise UserError(f"{path.name} is no split", where=str(path), fix="run again") from error


def _is(path: Path, digest: str) -> bool:
    try:
        return sha256_of(path) == digest
    except OSError:
        return False
