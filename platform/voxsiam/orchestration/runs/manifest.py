"""The manifest of a finished run: what is needed to repeat it, and to judge the repetition.

It is plain data. What it names is looked up, never executed, and none of it is a path.
"""

import importlib.metadata
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, ValidationError, model_validator

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.plan import RunData, RunPlan, run_identity
from voxsiam.orchestration.runs.source_commit import source_commit
from voxsiam.small_files import Limits, read_json_bytes
from voxsiam.training.recipe import METHOD_VERSION, Recipe
from voxsiam.types import Frozen, Split

CASES_FILE, EPOCHS_FILE = "cases.csv", "epochs.csv"
"""Every organ of every test case, and every figure of every epoch."""

RESULTS = ("*.csv", "*.npz", "model/model.*")
"""The files of a run's folder that are its results."""

LIBRARIES = ("torch", "ray", "mlflow", "optuna", "numpy", "nibabel", "scipy")

TOLERANCE = 1e-6
"""Of float32 on the loss: what two orders of adding up may differ by. Relative; absolute below 1.
"""

LOSS = "train/loss"
_COMPARED = ("test, ", "last epoch, train/", "last epoch, validation/", "last epoch, learning_rate")
"""The other figures tell of the machine: its speed, its memory."""

Verdict = Literal["same", "within tolerance", "different"]

_LIMITS = Limits(4 * 2**20, 100_000)

ResultName = Annotated[str, Field(pattern=r"^(model/)?[a-z0-9_]+\.[a-z]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Environment(Frozen):
    """Everything beside the plan that could change a run's figures.

    Attributes:
        system: Operating system and machine type.
        cpu_capability: The vector instructions that PyTorch uses.
        threads: Of one worker.
        device: Name of the GPU, or `cpu`.
    """

    python: str
    system: str
    libraries: dict[str, str]
    cpu_capability: str
    threads: int
    device: str

    def differences(self, other: "Environment") -> list[str]:
        """Say what is otherwise in another environment, one line each."""
        ours, theirs = (
            each.model_dump(exclude={"libraries"}) | each.libraries for each in (self, other)
        )
        return [
            f"{name}: {theirs.get(name, 'absent')}, was {ours.get(name, 'absent')}"
            for name in dict.fromkeys((*ours, *theirs))
            if ours.get(name) != theirs.get(name)
        ]


class RunManifest(Frozen):
    """A run, what it was computed with, and what came out.

    Attributes:
        run_id: Follows from method_version, recipe, seed, split and data.
        files: SHA-256 of each result by its path in the run's folder.
        summary: Test scores by the keys of `case_scores.summarise`; empty without test cases.
        last_record: Figures of the last epoch.
        seconds: Of the whole run.
        commit: That the code came from, where that was known.
    """

    format_version: Literal[1] = 1
    run_id: str
    method_version: int
    recipe: Recipe
    seed: int
    split: Split
    data: RunData
    taught: tuple[str, ...]
    workers: int = Field(ge=1)
    environment: Environment
    files: dict[ResultName, Sha256]
    summary: dict[str, float]
    last_record: dict[str, float]
    seconds: float
    commit: str = ""

    @model_validator(mode="after")
    def _named_by_content(self) -> "RunManifest":
        if self.run_id != run_identity(
            self.recipe, self.seed, self.split, self.data.fingerprint, self.method_version
        ):
            raise ValueError(
                "run_id does not follow from recipe, seed, split and data: something was altered, "
                "or another version of the program wrote it"
            )
        return self

    def plan(self, directory: Path) -> RunPlan:
        """Plan the same run in a folder of its own."""
        same = {name: value for name, value in self if name in RunPlan.model_fields}
        return RunPlan(directory=directory, **same)


def describe_run(
    plan: RunPlan,
    *,
    workers: int,
    device: torch.device,
    summary: Mapping[str, float],
    last_record: Mapping[str, float],
    seconds: float,
) -> RunManifest:
    """Describe a run whose result files are written; what is no number is left out."""
    same = {name: value for name, value in plan if name in RunManifest.model_fields}
    return RunManifest(
        **same,
        run_id=plan.run_id,
        method_version=METHOD_VERSION,
        workers=workers,
        environment=this_environment(device),
        files=hash_results(plan.directory),
        summary=_finite(summary),
        last_record=_finite(last_record),
        seconds=seconds,
        commit=source_commit() or "",
    )


def this_environment(device: torch.device) -> Environment:
    """Describe this process."""
    return Environment(
        python=platform.python_version(),
        system=platform.platform(),
        libraries=library_versions(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def library_versions() -> dict[str, str]:
    """Look up the versions of what figures depend on."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def hash_results(directory: Path) -> dict[str, str]:
    """Hash the result files of a run's folder, by their paths in it."""
    found = sorted(path for pattern in RESULTS for path in directory.glob(pattern))
    return {path.relative_to(directory).as_posix(): sha256_of(path) for path in found}


def read_manifest(path: Path) -> RunManifest:
    """Read a manifest.

    Raises:
        UserError: It is missing, damaged, altered, too large, or no manifest.
    """
    try:
        return RunManifest.model_validate_json(read_json_bytes(path, _LIMITS))
    except OSError as error:
        raise _refuse(path, f"it cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        why = f"{field}: {first['msg']}" if field else first["msg"]
        raise _refuse(path, why.replace("Value error, ", "")[:200]) from None
    except ValueError as error:
        raise _refuse(path, str(error)) from None


@dataclass(frozen=True)
class Repetition:
    """Two runs of one plan side by side.

    Attributes:
        largest: The largest difference of a test score or a figure of the last epoch.
        largest_of: Which one; None where no figure differs.
        reasons: What was otherwise, and what came out otherwise.
    """

    verdict: Verdict
    largest: float
    largest_of: str | None
    reasons: tuple[str, ...]


def compare_runs(first: RunManifest, again: RunManifest) -> Repetition:
    """Compare a run with its repetition, by their manifests alone.

    Same: equal bytes of cases.csv and an equal last loss. Within tolerance: every test score and
    every figure of the last epoch differs by no more than TOLERANCE.
    """
    differences = _differences(first, again)
    largest_of = max(differences, key=differences.__getitem__, default=None)
    largest = differences[largest_of] if largest_of else 0.0
    # The epochs' file tells the seconds of each, which are never the same.
    names = sorted((first.files.keys() | again.files.keys()) - {EPOCHS_FILE})
    files = [name for name in names if first.files.get(name) != again.files.get(name)]
    verdict: Verdict = "different"
    if CASES_FILE not in files and first.last_record.get(LOSS) == again.last_record.get(LOSS):
        verdict = "same"
    elif largest <= TOLERANCE:
        verdict = "within tolerance"
    return Repetition(
        verdict=verdict,
        largest=largest,
        largest_of=largest_of if largest else None,
        reasons=(
            *first.environment.differences(again.environment),
            *(f"{name} has other bytes" for name in files),
        ),
    )


def _differences(first: RunManifest, again: RunManifest) -> dict[str, float]:
    """Compare the figures that do not tell of the machine."""
    sides = (
        ("test", first.summary, again.summary),
        ("last epoch", first.last_record, again.last_record),
    )
    return {
        f"{side}, {name}": _difference(ours.get(name), theirs.get(name))
        for side, ours, theirs in sides
        for name in ours.keys() | theirs.keys()
        if f"{side}, {name}".startswith(_COMPARED)
    }


def _difference(ours: float | None, theirs: float | None) -> float:
    if ours is None or theirs is None:
        return float("inf")
    return abs(ours - theirs) / max(1.0, abs(ours))


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items() if math.isfinite(value)}


def _refuse(path: Path, why: str) -> UserError:
    return UserError(
        f"this is no manifest of a run that can be used: {why}",
        where=str(path),
        fix="copy manifest.json again from the run's folder or its MLflow run",
    )
