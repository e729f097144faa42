"""An autoscaler: the part of Ray that starts nodes where somebody waits for places."""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
from ray._private.worker import global_worker
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.core.generated import autoscaler_pb2
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.held_places import HeldPlaces, held_places, in_words
from voxsiam.orchestration.cluster.waiting import Wait

KIND_OF_ITS_OWN = "node_"
"""Ray calls the kind of a node so that nobody has configured."""

_DEMAND = "voxsiam-demand-"

log = logging.getLogger(__name__)


def autoscales() -> bool:
    """Tell whether an autoscaler starts nodes for the Ray that this process has joined.

    One that only watches runs beside every head.
    """
    gcs = _gcs()
    if is_autoscaler_v2(fetch_from_server=True, gcs_client=gcs):
        kinds = [node.ray_node_type_name for node in cluster_state().node_states]
    else:
        kinds = _report().get("node_type_mapping", {}).values()
    return any(kind and not kind.startswith(KIND_OF_ITS_OWN) for kind in kinds)


class Demand:
    """Room that this job would use, kept before the autoscaler's eyes; it takes none itself."""

    def __init__(self, bundles: Sequence[Mapping[str, float]]) -> None:
        self._bundles = [dict(bundle) for bundle in bundles]
        self._group: PlacementGroup | None = None

    def is_for(self, trials: int) -> None:
        """Ask for room for so many more; what was asked for before stays until it is there."""
        if self._group is None:
            self._group = _ask_for(self._bundles * trials)
        elif any(p.group == self._group.id and not p.waits for p in held_places()):
            # Read from Ray's table: a wait of 0 s can end before a busy head has answered.
            self.is_over()

    def is_over(self) -> None:
        """Ask for nothing more: a node that came now would be held for nobody."""
        if self._group is not None:
            remove_placement_group(self._group)
            self._group = None


def is_demand(places: HeldPlaces) -> bool:
    """Tell whether places are asked for only so that an autoscaler sees it."""
    return places.name.startswith(_DEMAND)


def await_first_node(needs: Mapping[str, float]) -> None:
    """Wait for a node with room for a worker, if none trains and an autoscaler starts them.

    Raises:
        WaitedTooLongError: No node was started for too long.
    """
    if Capacity.of_cluster().training_nodes or not autoscales():
        return
    log.warning("no node trains by now: the autoscaler is asked for %s", in_words(needs))
    demand = _ask_for([dict(needs)])
    wait = Wait(
        f"a node with {in_words(needs)}, which the autoscaler is to start (where its nodes have "
        "no GPUs: --gpu-share 0)",
        who_starts_nodes,
    )
    try:
        while not demand.wait(1):
            wait.look()
    finally:
        remove_placement_group(demand)


def who_starts_nodes() -> Sequence[str] | None:
    """Say what nodes are on their way; None where the autoscaler does not tell."""
    if is_autoscaler_v2(fetch_from_server=True, gcs_client=_gcs()):
        return None
    report = _report()
    asked = report.get("pending_launches", {}).items()
    starting = report.get("pending_nodes", [])
    return [
        *(f"{number} {kind} asked for" for kind, number in asked),
        *(f"{kind} {status} at {address}" for address, kind, status in starting),
    ]


def cluster_state() -> Any:  # noqa: ANN401  # a message of Ray's
    """Return what Ray tells autoscalers: nodes, and who waits for places."""
    reply = autoscaler_pb2.GetClusterResourceStateReply  # pyright: ignore[reportAttributeAccessIssue]
    return reply.FromString(_gcs().get_cluster_resource_state()).cluster_resource_state


def _ask_for(bundles: Sequence[dict[str, float]]) -> PlacementGroup:
    # What autoscalers look at; a target given by itself would replace that of others.
    return placement_group(list(bundles), name=f"{_DEMAND}{uuid.uuid4().hex}")


def _report() -> dict[str, Any]:
    """Return what the autoscaler writes about itself; empty before it has done so."""
    told = _gcs().internal_kv_get(DEBUG_AUTOSCALING_STATUS.encode(), None, timeout=10)
    return json.loads(told).get("autoscaler_report", {}) if told else {}


def _gcs() -> Any:  # noqa: ANN401  # Ray's client, compiled
    return global_worker.gcs_client  # pyright: ignore[reportAttributeAccessIssue]
