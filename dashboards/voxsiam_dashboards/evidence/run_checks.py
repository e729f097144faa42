"""What can be checked of one run: its names, its files, its figures and its picture."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.fingerprint import fingerprint
from voxsiam.metrics.case_scores import score_case, summarise
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.orchestration.runs.manifest import CASES_FILE, RunManifest, read_manifest
from voxsiam.orchestration.runs.plan import split_fingerprint
from voxsiam.orchestration.tracking.reader import RunStore
from voxsiam.types import Split
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.run_files import (
    CASES,
    MANIFEST,
    OVERLAY,
    RECIPE,
    SPLIT,
    artifact_name,
    read_lines,
    read_scores,
)
from voxsiam_dashboards.store.results import TrialResult
from voxsiam_dashboards.store.trial_files import Overlay, read_object, read_overlay

T = TypeVar("T")
_IDENTITY = ("recipe", "data", "split", "seed", "method_version")
_ON_GRID = tuple(
    field.name for field in fields(OrganScore)
    if not field.name.endswith("_native") and field.name not in ("case_id", "organ")
)  # fmt: skip


@dataclass(frozen=True)
class RunChecks:
    """The four kinds of checks that are made of each run."""

    fingerprints: Check
    files: Check
    metrics: Check
    overlay: Check


@dataclass(frozen=True)
class CheckedRun:
    """A finished run of a study, and how its files are read.

    Attributes:
        tags: Without their common beginning.
        original: Folder in which the run was trained, where this machine still has it.
    """

    trial: TrialResult
    store: RunStore
    tags: Mapping[str, str]
    original: Path

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
            return None


def check_run(run: CheckedRun, checks: RunChecks) -> dict[str, float] | None:
    """Check one run.

    Returns:
        Its test scores, computed anew from the cases; None where they cannot be read.
    """
    manifest = run.read(MANIFEST, read_manifest, checks.files)
    scores: list[OrganScore] | None = None
    _check_fingerprints(run, manifest, checks.fingerprints)
    if manifest is not None:
        _check_files(run, manifest, checks.files)
    if manifest is None or CASES_FILE in manifest.files:
        scores = run.read(CASES, read_scores, checks.metrics)
    if scores is None:
        return None
    computed = _numbers(summarise(scores))
    final = _numbers(run.trial.final)
    checks.metrics.compare(run.named("metrics test/"), computed, final)
    if manifest is not None:
        checks.metrics.compare(run.named(MANIFEST), computed, manifest.summary)
    overlay = run.read(OVERLAY, read_overlay, checks.overlay)
    if overlay is not None:
        _check_overlay(run, overlay, scores, checks.overlay)
    return computed


def _check_fingerprints(run: CheckedRun, manifest: RunManifest | None, check: Check) -> None:
    """Compare the run's tags with what they are the fingerprints of."""
    recipe = run.read(RECIPE, read_object, check)
    if recipe is not None:
        computed = {"recipe": fingerprint(recipe)}
        check.compare(run.named(RECIPE), computed, {"recipe": run.tags.get("recipe")})
    split = run.read(SPLIT, _read_split, check)
    if split is not None:
        computed = {"split": split_fingerprint(split)}
        check.compare(run.named(SPLIT), computed, {"split": run.tags.get("split")})
    names = {"run": _identity(run.tags)}
    check.compare(run.named("tags"), names, {"run": run.tags.get("run")})
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


def _check_files(run: CheckedRun, manifest: RunManifest, check: Check) -> None:
    for name, digest in manifest.files.items():
        stored = artifact_name(name)
        found = run.read(stored, sha256_of, check)
        if found is None:
            continue
        check.compare(run.named(stored), {"SHA-256": digest}, {"SHA-256": found})
        original = run.original / name
        if found != digest and name == CASES_FILE and _is(original, digest):
            # The run's own folder still tells which figure was changed.
            ours, theirs = read_lines(original), run.read(stored, read_lines, check) or {}
            check.compare(run.named(stored), ours, theirs)


def _check_overlay(
    run: CheckedRun, overlay: Overlay, scores: list[OrganScore], check: Check
) -> None:
    """Score the one case whose voxels are kept, and compare with its lines of cases.csv."""
    written = {score.organ: score for score in scores if score.case_id == overlay.case_id}
    where = run.named(OVERLAY)
    try:
        rules = ScoringRules(organs=tuple(written))
        computed = score_case(
            overlay.case_id, overlay.prediction, overlay.label, overlay.spacing_mm, rules=rules
        )
    except (ValueError, UserError) as error:
        check.unreadable(where, f"{error!s:.120}".splitlines()[0])
        return
    for score in computed:
        check.compare(
            f"{where} against cases.csv",
            _on_grid(overlay.case_id, score),
            _on_grid(overlay.case_id, written[score.organ]),
        )


def _on_grid(case_id: str, score: OrganScore) -> dict[str, object]:
    return {f"case {case_id}, {score.organ}, {name}": getattr(score, name) for name in _ON_GRID}


def _identity(tags: Mapping[str, str]) -> str:
    numbers = ("seed", "method_version")
    try:
        parts = {name: int(tags[name]) if name in numbers else tags[name] for name in _IDENTITY}
    except (KeyError, ValueError):
        return "a run with all of its tags"
    return fingerprint(parts)


def _read_split(path: Path) -> Split:
    try:
        return Split.model_validate(read_object(path))
    except ValueError as error:
        raise UserError(f"{path.name} is no split", where=str(path), fix="run again") from error


def _numbers(figures: Mapping[str, float]) -> dict[str, float]:
    """Leave out what is not defined: it is not tracked."""
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest
