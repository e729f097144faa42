"""Which rank failed, and what is known of it: Ray Train sees errors of all those that waited."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.exceptions import RayActorError
from ray.train import UserCallback

from voxsiam.orchestration.runs.heartbeat import Heartbeat, file_system_time, read_heartbeats
from voxsiam.orchestration.runs.incidents import note_incident

LESS_MEMORY = "fewer --workers, a smaller batch (--set batch_size=2) or a smaller --grid take less"


class RankFaults(UserCallback):
    """Notes in the run's incidents which rank failed; it lives in Ray Train's controller.

    Args:
        silence_s: After which a rank that does not answer is ended.
    """

    def __init__(self, heartbeats: Path, incidents: Path, silence_s: float) -> None:
        self._heartbeats, self._incidents, self._silence_s = heartbeats, incidents, silence_s

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:  # noqa: ANN401, ARG002
        """Note it."""
        known, now = read_heartbeats(self._heartbeats), file_system_time(self._heartbeats)
        for text in describe_faults(known, worker_exceptions, self._silence_s, now):
            note_incident(self._incidents, text)


def describe_faults(
    heartbeats: Mapping[int, Heartbeat],
    errors: Mapping[int, Exception],
    silence_s: float,
    now: float,
) -> list[str]:
    """Say of each rank that is to blame what has become of it.

    When one rank goes, the others fail with broken connections or waits that ran out: they are
    named only where nobody else is to blame.

    Args:
        heartbeats: The last one of every rank.
        errors: Of the ranks for which Ray Train has one.
        now: By the clock of the file system that holds the heartbeats.
    """
    dead = {rank for rank, error in errors.items() if _is_dead(error)}
    dead |= {rank for rank, heartbeat in heartbeats.items() if heartbeat.is_gone()}
    if dead:
        return [_death(heartbeats.get(rank), rank) for rank in sorted(dead)]
    unanswered = "WorkerHealthCheckTimeoutError"
    frozen = {rank for rank, error in errors.items() if type(error).__name__ == unanswered}
    if not frozen and any("timed out" in str(error).lower() for error in errors.values()):
        frozen = {rank for rank, heartbeat in heartbeats.items() if heartbeat.is_silent(now)}
        frozen = frozen or _last(heartbeats, errors)
    if frozen:
        return [_frozen(heartbeats.get(rank), rank, silence_s) for rank in sorted(frozen)]
    return [f"rank {rank} failed: {_first_line(errors[rank])}" for rank in sorted(errors)]


def describe_death(heartbeats: Path) -> str | None:
    """Say what is known of a training in the trial's own process that died without a word."""
    heartbeat = read_heartbeats(heartbeats).get(0)
    return None if heartbeat is None else _death(heartbeat, 0)


def _is_dead(error: Exception) -> bool:
    return isinstance(getattr(error, "health_check_failure", error), RayActorError)


def _last(heartbeats: Mapping[int, Heartbeat], errors: Mapping[int, Exception]) -> set[int]:
    """Return the ranks that stand furthest behind; one that waited in vain is not among them."""
    suspects = set(heartbeats) - set(errors) or set(heartbeats)
    place = {rank: (heartbeats[rank].epoch, heartbeats[rank].step) for rank in suspects}
    return {rank for rank in suspects if place[rank] == min(place.values())}


def _who(heartbeat: Heartbeat | None, rank: int) -> str:
    if heartbeat is None:
        return f"rank {rank}"
    return f"rank {rank} (process {heartbeat.pid} on {heartbeat.host}, {heartbeat.place})"


def _death(heartbeat: Heartbeat | None, rank: int) -> str:
    memory = f": it held {heartbeat.memory}; if that is it, {LESS_MEMORY}" if heartbeat else ""
    return f"{_who(heartbeat, rank)} was killed, or its node is gone{memory}"


def _frozen(heartbeat: Heartbeat | None, rank: int, silence_s: float) -> str:
    return f"{_who(heartbeat, rank)} kept silent for {silence_s:g} s and was ended"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
