"""The manifest of a finished run: what is needed to repeat it, and to judge the repetition.

It is plain data. What it names is looked up, never executed, and none of it is a path.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, ValidationError, model_validator

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.environment import Environment, this_environment
from voxsiam.orchestration.runs.plan import RunData, RunPlan, run_identity
from voxsiam.orchestration.runs.source_commit import source_commit
from voxsiam.small_files import Limits, read_json_bytes
from voxsiam.training.recipe import METHOD_VERSION, Recipe
from voxsiam.types import Frozen, Split

CASES_FILE, EPOCHS_FILE = "cases.csv", "epochs.csv"
"""Every organ of every test case, and every figure of every epoch."""

RESULTS = ("*.csv", "*.npz", "model/model.*")
"""The files of a run's folder that are its results."""

_LIMITS = Limits(4 * 2**20, 100_000)

ResultName = Annotated[str, Field(pattern=r"^(model/)?[a-z0-9_]+\.[a-z]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RunManifest(Frozen):
    """A run, what it was computed with, and what came out.

    Attributes:
        run_id: Follows from method_version, recipe, seed, split and data.
        taught: Organs that some training case shows.
        workers: DDP workers.
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
        return RunPlan(
            recipe=self.recipe,
            seed=self.seed,
            split=self.split,
            data=self.data,
            directory=directory,
            taught=self.taught,
        )


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
    return RunManifest(
        run_id=plan.run_id,
        method_version=METHOD_VERSION,
        recipe=plan.recipe,
        seed=plan.seed,
        split=plan.split,
        data=plan.data,
        taught=plan.taught,
        workers=workers,
        environment=this_environment(device),
        files=hash_results(plan.directory),
        summary=_finite(summary),
        last_record=_finite(last_record),
        seconds=seconds,
        commit=source_commit() or "",
    )


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


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items() if math.isfinite(value)}


def _refuse(path: Path, why: str) -> UserError:
    return UserError(
        f"this is no manifest of a run that can be used: {why}",
        where=str(path),
        fix="copy manifest.json again from the run's folder or its MLflow run",
    )
