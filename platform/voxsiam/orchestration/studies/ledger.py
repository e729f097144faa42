"""The study's own record of what is to be done and what is done: what a resume goes by."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from voxsiam.durable_files import write_text_atomically
from voxsiam.errors import UserError
from voxsiam.fingerprint import fingerprint
from voxsiam.orchestration.choice import Choice, choose
from voxsiam.orchestration.lock import held_by_driver
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.runs.source_commit import source_commit
from voxsiam.orchestration.studies.table import Table
from voxsiam.orchestration.workspace import Workspace, found_path, kept_path
from voxsiam.small_files import LARGE, read_json
from voxsiam.types import Frozen, Shape

LEDGER_VERSION = 1
PLANNED = "planned"
"""What the seal of a plan says that was made with it."""


class StudyPlan(Frozen):
    """Everything a driver needs to run, or go on with, a study.

    Attributes:
        study: Name of the table on the command line.
        study_id: Folder name: equal requests have equal ids.
        data_kind: phantom, semi-synthetic or real.
        workers: DDP workers of a trial; 1 trains in the trial's own process where there is no GPU.
        gpu_share: Part of a GPU that a worker holds, where there are GPUs.
        notes: What the report must say about the settings.
        patients: Of the test cases whose patient has another name than the case.
        table: What was declared; None in plans of before it was kept.
    """

    study: str
    study_id: str
    preset: str
    prepared: Path
    data_name: str
    data_kind: str
    grid_dhw: Shape
    workers: int
    gpu_share: float = 1.0
    trials: tuple[PlannedRun, ...]
    notes: tuple[str, ...] = ()
    patients: Mapping[str, str] = Field(default_factory=dict)
    table: Table | None = None

    def seal(self) -> str:
        """Hash what was planned: every row with its runs, data and notes; no path is part of it."""
        left_out = {"prepared", "trials"} | (set() if self.table else {"table"})
        told = self.model_dump(mode="json", exclude=left_out)
        runs = [[planned.row, planned.run.run_id] for planned in self.trials]
        return fingerprint(told | {"runs": runs})

    def kept_in(self, root: Path) -> "StudyPlan":
        """Return the plan as a ledger in a workspace keeps it: paths from its folder."""
        return self._with_paths(lambda path: kept_path(path, root))

    def found_in(self, root: Path) -> "StudyPlan":
        """Return the plan that a ledger keeps, with paths as the workspace lies now."""
        # Runs lie in <workspace>/runs/<run id>.
        earlier = next((planned.run.directory.parent.parent for planned in self.trials), None)
        return self._with_paths(lambda path: found_path(path, root, earlier))

    def _with_paths(self, change: Callable[[Path], Path]) -> "StudyPlan":
        trials = tuple(each.in_folder(change(each.run.directory)) for each in self.trials)
        return self.model_copy(update={"prepared": change(self.prepared), "trials": trials})


class Seal(Frozen):
    """The plan as it stood at a time.

    Attributes:
        plan: `StudyPlan.seal` of it.
        at: As ISO 8601 in UTC.
        what: Why it was sealed: `planned`, or what was added.
        commit: Of the code, where that is known.
    """

    plan: str
    at: str
    what: str
    commit: str = ""


class Ledger:
    """A study's plan, its seals and the state of each trial: a JSON file replaced atomically."""

    def __init__(
        self, path: Path, plan: StudyPlan, states: dict[str, RunState], seals: Sequence[Seal] = ()
    ) -> None:
        self.path, self.plan, self._states = path, plan, states
        self.seals = tuple(seals)

    @classmethod
    def create(cls, workspace: Workspace, plan: StudyPlan) -> "Ledger":
        """Start a study's ledger, or open it where it is already there."""
        path = workspace.study(plan.study_id) / "ledger.json"
        if path.exists():
            return cls.read(path)
        ledger = cls(path, plan, {})
        ledger.seal(PLANNED)
        return ledger

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """Open a ledger; one that is damaged, or of another version, is refused."""
        try:
            content: dict[str, Any] = read_json(path, LARGE)
            if content["version"] != LEDGER_VERSION:
                raise ValueError(content["version"])
            plan = StudyPlan.model_validate(content["plan"]).found_in(_workspace_of(path))
            seals = [Seal.model_validate(seal) for seal in content.get("seals", ())]
            return cls(path, plan, content["states"], seals)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                "the study's ledger cannot be read",
                where=str(path),
                fix=f"restore it from a copy or remove the folder to start anew ({error!r:.80})",
            ) from None

    @property
    def commit(self) -> str:
        """Commit of the code that planned it; empty where that is not known."""
        return next((seal.commit for seal in self.seals if seal.what == PLANNED), "")

    def seal(self, what: str) -> None:
        """Seal the plan; what comes after `planned` is an amendment, which `study verify` names."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        commit = source_commit() or ""
        seal = Seal(plan=self.plan.seal(), at=at, what=what, commit=commit)
        self.seals = (*self.seals, seal)
        self.rewrite()

    def state(self, planned: PlannedRun) -> RunState:
        """Tell where a trial stands; its result on disk outweighs what was written here."""
        if planned.run.result_file.exists():
            return "finished"
        written = self._states.get(planned.run.run_id, "pending")
        return "lost" if written == "finished" else written

    def mark(self, planned: PlannedRun, state: RunState) -> None:
        """Write down a trial's new state."""
        self._states[planned.run.run_id] = state
        self.rewrite()

    def unfinished(self) -> list[PlannedRun]:
        """List the trials still to be done, in the table's order."""
        return [planned for planned in self.plan.trials if self.state(planned) != "finished"]

    def finished(self) -> list[PlannedRun]:
        """List the trials that have a result, those included that share another row's run."""
        return [planned for planned in self.plan.trials if self.state(planned) == "finished"]

    def held(self) -> AbstractContextManager[None]:
        """Keep other drivers away, as `held_by_driver` does."""
        return held_by_driver(self.path.parent, "study", self.plan.study_id)

    def keeps_whole_paths(self) -> bool:
        """Tell whether it was written when paths were kept whole."""
        return read_json(self.path, LARGE)["plan"] != self._kept_plan

    @property
    def _kept_plan(self) -> dict[str, Any]:
        return self.plan.kept_in(_workspace_of(self.path)).model_dump(mode="json")

    @cached_property
    def _plan_text(self) -> str:
        """The plan, written out once: with a thousand trials that takes longer than all else."""
        return json.dumps(self._kept_plan, indent=1)

    def rewrite(self) -> None:
        """Write it as this version does."""
        states = json.dumps(self._states, indent=1)
        seals = json.dumps([seal.model_dump() for seal in self.seals])
        text = (
            f'{{"version": {LEDGER_VERSION}, "plan": {self._plan_text}, "states": {states}, '
            f'"seals": {seals}}}'
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self.path, text)


def find_ledgers(workspace: Workspace, study: str | None = None) -> list[Ledger]:
    """List the workspace's studies, the latest touched first."""
    paths = sorted(
        workspace.study("").glob("*/ledger.json"), key=lambda p: p.stat().st_mtime_ns, reverse=True
    )
    ledgers = [Ledger.read(path) for path in paths]
    return [ledger for ledger in ledgers if study in (None, ledger.plan.study)]


def choose_ledger(
    workspace: Workspace, text: str, ledgers: Sequence[Ledger] | None = None
) -> Ledger:
    """Return the study that a text means: its id, or the name of its table; see `choose`.

    Args:
        ledgers: Those of the workspace, where they have been read.
    """
    choices = [
        Choice(ledger.plan.study, ledger.plan.study_id, _about(ledger), ledger)
        for ledger in (find_ledgers(workspace) if ledgers is None else ledgers)
    ]
    return choose(text, choices, "study", str(workspace.root))


def _about(ledger: Ledger) -> str:
    plan = ledger.plan
    return (
        f"{plan.preset}, {plan.data_name}, {len(ledger.finished())} of {len(plan.trials)} trained"
    )


def _workspace_of(ledger: Path) -> Path:
    """Return the folder of the workspace that a ledger lies in: <workspace>/studies/<id>/."""
    return ledger.absolute().parents[2]
