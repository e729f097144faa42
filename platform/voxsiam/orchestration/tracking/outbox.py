"""What MLflow has not been told yet, kept in order on disk until it has."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from voxsiam.durable_files import write_text_atomically
from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.tracking.parent_run import ParentRun
from voxsiam.orchestration.workspace import Workspace
from voxsiam.regular_files import open_to_append, read_regular
from voxsiam.small_files import read_text
from voxsiam.types import Frozen

_MOST_BYTES = 2**30  # of a week without a tracking server


def now_ms() -> int:
    """Return the time as MLflow counts it."""
    return int(time.time() * 1000)


class Event(Frozen):
    """Something that happened to a trial, or to the study as a whole.

    Attributes:
        kind: A start, the figures of an epoch or of a study, or an end.
        time_ms: When it happened. It is kept so that what is written twice counts once.
        trial: None for the study itself.
        artifacts: JSON contents by path.
        may_link: Another study may have trained it.
    """

    kind: Literal["start", "figures", "end"]
    time_ms: int = Field(default_factory=now_ms)
    trial: PlannedRun | None = None
    figures: Mapping[str, float] = Field(default_factory=dict)
    step: int = 0
    state: RunState | None = None
    error: str | None = None
    artifacts: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    may_link: bool = False

    # Figures may be no numbers; that is for their reader to judge.
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    @property
    def subject(self) -> tuple[str, str]:
        """Whose event it is: a trial's, or that of the study itself."""
        return (self.trial.row, self.trial.run.run_id) if self.trial else ("", "")


class Outbox:
    """Events in a file of one JSON line each; it is absent where nothing waits.

    Args:
        runs: Where the runs of its workspace lie now; else where each event says.
    """

    def __init__(self, path: Path, runs: Path | None = None) -> None:
        self.path, self._runs = path, runs
        waiting = self.read()
        self._count = len(waiting)
        if path.exists() and not read_regular(path, _MOST_BYTES).endswith(b"\n"):
            # A kill has cut off the last line; the next one must not be glued to it.
            self.keep_only(waiting)

    def __len__(self) -> int:
        return self._count

    def add(self, event: Event) -> None:
        """Keep an event, on disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open_to_append(self.path) as stream:
            stream.write(_line(event).encode())
            stream.flush()
            os.fsync(stream.fileno())
        self._count += 1

    def read(self) -> list[Event]:
        """Return what waits, the oldest first; a line that a kill cut off is left out."""
        if not self.path.exists():
            return []
        events: list[Event] = []
        for line in read_text(self.path, _MOST_BYTES).split("\n"):
            try:
                event = Event.model_validate_json(line)
            except ValidationError:
                continue
            if event.trial is not None and self._runs is not None:
                # The workspace may have been moved since.
                trial = event.trial.in_folder(self._runs / event.trial.run.directory.name)
                event = event.model_copy(update={"trial": trial})
            events.append(event)
        return events

    def keep_only(self, events: Sequence[Event]) -> None:
        """Forget all events but these."""
        if events:
            write_text_atomically(self.path, "".join(map(_line, events)))
        else:
            self.path.unlink(missing_ok=True)
        self._count = len(events)

    def set_aside(self, event: Event) -> Path:
        """Keep, apart from the others, an event that the store will never take."""
        refused = Outbox(self.path.with_name("refused.jsonl"), self._runs)
        refused.add(event)
        return refused.path


def outbox_of(workspace: Workspace, parent_run: ParentRun) -> Outbox:
    """Open the outbox of a study or sweep."""
    folder = workspace.study if parent_run.kind == "study" else workspace.sweep
    return Outbox(folder(parent_run.request_id) / "untracked.jsonl", workspace.run(""))


def _line(event: Event) -> str:
    return event.model_dump_json() + "\n"
