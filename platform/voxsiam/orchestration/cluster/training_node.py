"""A call on a node that trains: what is measured on the head need not hold there."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import ray
from ray.exceptions import RayTaskError

from voxsiam.orchestration.cluster.capacity import Capacity, worker_resources
from voxsiam.orchestration.cluster.held_places import in_words, who_holds
from voxsiam.orchestration.cluster.waiting import waited_for

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def on_training_node(
    capacity: Capacity,
    function: Callable[Arguments, Answer],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Answer:
    """Call a function with what a worker holds; on a single node, here.

    Raises:
        Exception: What the function raises.
    """
    if len(capacity.nodes) == 1:
        return function(*arguments, **named)
    held = worker_resources(1.0 if capacity.gpus else 0.0)
    task = ray.remote(num_cpus=held["CPU"], num_gpus=held.get("GPU", 0.0))(function)
    try:
        asked = task.remote(*arguments, **named)
        answer = waited_for(
            lambda: ray.get(asked),
            f"a measurement on a node that trains ({in_words(held)})",
            lambda: who_holds(held.keys()),
        )
        return cast("Answer", answer)
    except RayTaskError as error:
        raise error.cause from None
