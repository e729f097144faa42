"""The places of a run's workers, given back however the workers' start or their trial ends."""

import time
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.train.v2._internal.execution.callback import ControllerCallback, WorkerGroupCallback

from voxsiam.orchestration.cluster.autoscaler import is_demand
from voxsiam.orchestration.cluster.held_places import free_places_of_the_dead, in_words, who_holds
from voxsiam.orchestration.cluster.waiting import Wait

if TYPE_CHECKING:
    from ray.train.v2._internal.execution.worker_group import WorkerGroup, WorkerGroupContext
    from ray.train.v2._internal.execution.worker_group.placement_group_handle import (
        PlacementGroupHandle,
    )

LOOK_EVERY_S = 1.0


class WorkerPlaces(ControllerCallback, WorkerGroupCallback):
    """Frees the places of workers that came up and could not begin; in Ray Train's controller.

    Ray Train forgets them when a callback of its own fails after the workers have come up: where
    nccl cannot start, or a worker dies while the ranks meet. First among the callbacks, it knows
    the places before anything can fail.
    """

    def __init__(self) -> None:
        self._places: PlacementGroupHandle | None = None

    def after_worker_group_start(self, worker_group: "WorkerGroup") -> None:
        """Remember their places."""
        self._places = worker_group.get_worker_group_state().placement_group_handle

    def before_worker_group_start(self, worker_group_context: "WorkerGroupContext") -> None:
        """Free those of the attempt before."""
        self._free()

    async def before_controller_shutdown(self) -> None:
        """Free those of the last attempt."""
        self._free()

    def before_controller_abort(self) -> None:
        """Free those of the last attempt."""
        self._free()

    def _free(self) -> None:
        if self._places is not None:
            self._places.shutdown()
            self._places = None


class TrialPlaces(tune.Callback):
    """Looks after the places of trials while a study goes on; it lives in the driver.

    Frees those of trials whose processes were killed, and says who holds the room that a trial or
    its workers wait for.
    """

    def __init__(self) -> None:
        self._looked, self._wait = 0.0, None

    def __reduce__(self) -> tuple[type[tune.Callback], tuple[()]]:
        # Tune pickles its callbacks for a restore that we never ask for.
        return tune.Callback, ()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look, once a second.

        Raises:
            WaitedTooLongError: There was no room for too long.
        """
        if time.monotonic() - self._looked < LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        ours = free_places_of_the_dead()
        waiting = [places for places in ours if places.waits and not is_demand(places)]
        if not waiting:
            self._wait = None
            return
        asked = waiting[0].resources
        self._wait = self._wait or Wait(
            f"{in_words(asked)} for a training", lambda: who_holds(asked.keys())
        )
        self._wait.look()
