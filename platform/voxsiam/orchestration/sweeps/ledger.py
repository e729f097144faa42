"""A sweep's own record: what was tried, what came out, what it has cost; what a resume goes by."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.choice import Choice, choose
from voxsiam.orchestration.lock import held_by_driver
from voxsiam.orchestration.runs.plan import PlannedRun, RunPlan, run_identity
from voxsiam.orchestration.sweeps.plan import (
    SETTLED,
    Budget,
    Spent,
    SweepPlan,
    SweepTrial,
    direction,
)
from voxsiam.orchestration.sweeps.space import Value
from voxsiam.orchestration.workspace import CACHE, Workspace, found_path, kept_path
from voxsiam.small_files import read_json_bytes

Content = TypeVar("Content", bound=BaseModel)


class SweepLedger:
    """A search's plan, budget, trials and cost: small JSON files, each replaced atomically."""

    def __init__(self, folder: Path, workspace: Workspace, plan: SweepPlan, budget: Budget) -> None:
        self.folder, self._workspace, self.plan, self.budget = folder, workspace, plan, budget
        self._look()

    @classmethod
    def create(cls, workspace: Workspace, plan: SweepPlan, budget: Budget) -> "SweepLedger":
        """Start a sweep's ledger, or open the one that is there with a new budget."""
        folder = workspace.sweep(plan.sweep_id)
        write_json(folder / "budget.json", budget.model_dump(mode="json"))
        # Last: where it is, the others are.
        if not (folder / "plan.json").exists():
            cls(folder, workspace, plan, budget).rewrite()
        return cls.read(workspace, folder)

    @classmethod
    def read(cls, workspace: Workspace, folder: Path) -> "SweepLedger":
        """Open a ledger; one of which a file is damaged is refused."""
        plan = _read(folder / "plan.json", SweepPlan)
        plan = plan.model_copy(update={"prepared": _found(plan.prepared, workspace)})
        return cls(folder, workspace, plan, _read(folder / "budget.json", Budget))

    @property
    def path(self) -> Path:
        """Where its plan is kept."""
        return self.folder / "plan.json"

    def keeps_whole_paths(self) -> bool:
        """Tell whether it was written when paths were kept whole."""
        return _read(self.path, SweepPlan).prepared != self._kept_plan.prepared

    def rewrite(self) -> None:
        """Write its plan as this version does."""
        write_json(self.path, self._kept_plan.model_dump(mode="json"))

    @property
    def _kept_plan(self) -> SweepPlan:
        kept = kept_path(self.plan.prepared, self._workspace.root)
        return self.plan.model_copy(update={"prepared": kept})

    def add(self, values: Mapping[str, Value]) -> SweepTrial:
        """Write down a trial before it starts.

        What is suggested again is trained from further seeds: the same ones would only give the
        same figure. Other values may come to the same recipe: shares of few voxels are rounded.
        """
        recipe = self.plan.space.recipe(values)
        alike = (t for t in self.trials if self.plan.space.recipe(t.values) == recipe)
        before = sum(len(trial.seeds) for trial in alike)
        seeds = tuple(range(before, before + self.plan.seeds))
        trial = SweepTrial(number=len(self.trials), values=dict(values), seeds=seeds)
        self.trials.append(trial)
        self._write(trial)
        return trial

    def update(self, number: int, **changes: object) -> SweepTrial:
        """Write down what has become of a trial."""
        unchanged = self.trials[number].model_dump()
        trial = SweepTrial.model_validate(unchanged | changes)
        self.trials[number] = trial
        self._write(trial)
        return trial

    def spend(self, seconds: float, gpus: int) -> None:
        """Add to what the search has cost."""
        self.spent = Spent(
            seconds=self.spent.seconds + seconds,
            gpu_seconds=self.spent.gpu_seconds + seconds * gpus,
        )
        write_json(self.folder / "spent.json", self.spent.model_dump(mode="json"))

    def used_up(self) -> str | None:
        """Say which limit of time is reached; None while there is some left."""
        budget, spent = self.budget, self.spent
        limits = (
            ("hours", budget.hours, spent.seconds / 3600),
            ("GPU-hours", budget.gpu_hours, spent.gpu_seconds / 3600),
        )
        for unit, limit, used in limits:
            if limit is not None and used >= limit:
                return f"{used:.3g} of {limit:.3g} {unit}"
        return None

    def runs_of(self, trial: SweepTrial) -> list[PlannedRun]:
        """List a trial's runs, one for each seed."""
        plan, recipe = self.plan, self.plan.space.recipe(trial.values)

        def planned(seed: int) -> PlannedRun:
            identity = run_identity(recipe, seed, plan.split, plan.data.fingerprint)
            run = RunPlan(
                recipe=recipe,
                seed=seed,
                split=plan.split,
                data=plan.data,
                directory=self._workspace.run(identity),
                taught=plan.taught,
            )
            return PlannedRun(row=trial.label, run=run)

        return [planned(seed) for seed in trial.seeds]

    def unfinished(self) -> list[SweepTrial]:
        """List the trials that were begun and are still to be ended."""
        return [trial for trial in self.trials if trial.state not in SETTLED]

    def best(self) -> SweepTrial | None:
        """Return the trial with the best first objective among those trained to the end."""
        done = [trial for trial in self.trials if trial.state == "finished"]
        first = self.plan.objectives[0]
        sign = 1 if direction(first) == "maximize" else -1
        return max(done, key=lambda trial: sign * trial.objectives[first], default=None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other drivers away, as `held_by_driver` does."""
        with held_by_driver(self.folder, "sweep", self.plan.sweep_id):
            # Another driver may have gone on with it since this was read.
            self._look()
            yield

    def _look(self) -> None:
        found = self.folder.glob("trials/*.json")
        # A copy that somebody made beside them is no trial of its own.
        paths = sorted(path for path in found if path.stem.isdecimal())
        self.trials = [_read(path, SweepTrial) for path in paths]
        spent = self.folder / "spent.json"
        self.spent = _read(spent, Spent) if spent.exists() else Spent()

    def _write(self, trial: SweepTrial) -> None:
        path = self.folder / "trials" / f"{trial.number:05d}.json"
        write_json(path, trial.model_dump(mode="json"))


def find_sweeps(workspace: Workspace, sweep: str | None = None) -> list[SweepLedger]:
    """List the workspace's sweeps, the latest touched first."""
    folders = [path.parent for path in workspace.sweep("").glob("*/plan.json")]
    folders.sort(key=_last_touched, reverse=True)
    ledgers = [SweepLedger.read(workspace, folder) for folder in folders]
    return [ledger for ledger in ledgers if sweep in (None, ledger.plan.sweep)]


def choose_sweep(workspace: Workspace, text: str) -> SweepLedger:
    """Return the sweep that a text means: its id, or its name; see `choose`."""
    choices = [
        Choice(ledger.plan.sweep, ledger.plan.sweep_id, _about(ledger), ledger)
        for ledger in find_sweeps(workspace)
    ]
    return choose(text, choices, "sweep", str(workspace.root))


def _about(ledger: SweepLedger) -> str:
    ended = sum(trial.state in SETTLED for trial in ledger.trials)
    return f"{ledger.plan.preset}, {ledger.plan.data.name}, {ended} trials ended"


def _found(prepared: Path, workspace: Workspace) -> Path:
    """Find a prepared set that may lie in <workspace>/cache/ of where the workspace lay before."""
    earlier = next((one.parent for one in prepared.parents if one.name == CACHE), None)
    found = found_path(prepared, workspace.root, earlier)
    return found if found.exists() else prepared


def _last_touched(folder: Path) -> int:
    """Tell when a sweep was asked for, or has last cost anything."""
    found = [folder / name for name in ("budget.json", "spent.json")]
    return max(path.stat().st_mtime_ns for path in found if path.exists())


def _read(path: Path, content: type[Content]) -> Content:
    try:
        return content.model_validate_json(read_json_bytes(path))
    except (OSError, ValueError) as error:
        raise UserError(
            "the sweep's ledger cannot be read",
            where=str(path),
            fix=f"restore it from a copy or remove the folder to start anew ({error!r:.80})",
        ) from None
