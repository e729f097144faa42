import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.capacity import Capacity, Node


def cluster(*nodes):
    """Nodes of (CPUs, GPUs)."""
    return Capacity(tuple(Node(str(n), f"n{n}", *map(float, node)) for n, node in enumerate(nodes)))


@pytest.mark.parametrize(
    ("nodes", "workers", "share", "trials"),
    [
        ([(4, 0)], 1, 1, 4),
        ([(4, 0)], 2, 1, 2),
        # A trial's workers may lie on two nodes.
        ([(1, 0), (1, 0)], 2, 1, 1),
        ([(3, 0), (3, 0)], 2, 1, 3),
        # A head that carries nothing.
        ([(0, 0), (2, 0), (2, 0)], 1, 1, 4),
        # Where there are GPUs, only they count, and each worker needs a CPU beside its GPU.
        ([(8, 4), (64, 0)], 1, 1, 4),
        ([(2, 4)], 1, 1, 2),
        ([(8, 2)], 1, 0.5, 4),
        ([(8, 2)], 1, 0.25, 8),
        # Two workers of two thirds each do not share a GPU.
        ([(8, 2)], 1, 0.66, 2),
        ([(16, 3)], 1, 1 / 3, 9),
    ],
)
def test_trials_side_by_side(nodes, workers, share, trials):
    assert cluster(*nodes).trials_at_once(workers, float(share)) == trials


@pytest.mark.parametrize(
    ("nodes", "workers", "told"),
    [
        ([(4, 0)], 9, r"9 workers, each with a CPU, does not fit anywhere"),
        ([(0, 8), (64, 0)], 1, r"each with a CPU and 1 GPU"),
        ([(0, 0)], 1, "1 workers"),
        ([], 1, "1 workers"),
    ],
)
def test_what_can_never_run_is_refused_with_what_the_nodes_have(nodes, workers, told):
    with pytest.raises(UserError, match=told) as caught:
        cluster(*nodes).trials_at_once(workers)
    for number, (cpus, gpus) in enumerate(nodes):
        assert f"n{number} has {cpus} CPUs" in caught.value.where
        assert (f"{gpus} GPUs" in caught.value.where) == bool(gpus)


@pytest.mark.parametrize(
    ("nodes", "slots", "threads"),
    [
        ([(4, 0)], 1, 4),
        ([(4, 0)], 3, 1),
        # Five each would leave the third without a place: 8 // 5 + 8 // 5 is 2.
        ([(8, 0), (8, 0)], 3, 4),
        ([(8, 0), (2, 0)], 2, 4),
        ([(0, 0), (2, 0)], 1, 2),
        ([(1, 0)], 1, 1),
    ],
)
def test_threads_of_trials_that_must_all_find_a_node(nodes, slots, threads):
    assert cluster(*nodes).threads(slots) == threads


GIB = 2.0**30


@pytest.mark.parametrize(
    ("memory", "workers", "trials"),
    [
        # One worker trains in the trial's process, which asks for no memory.
        ((0.5, 0.5), 1, 8),
        ((8.0, 8.0), 2, 4),
        ((1.5, 2.5), 2, 3),
        # A trial's process lies on one node: two halves are none.
        ((0.5, 1.0), 2, 1),
    ],
)
def test_trials_side_by_side_have_memory_for_their_processes(memory, workers, trials):
    nodes = tuple(Node(str(n), f"n{n}", 4.0, 0.0, gib * GIB) for n, gib in enumerate(memory))
    # A head without processors carries none, whatever memory it has.
    head = Node("head", "head", 0.0, 0.0, 100 * GIB)
    assert Capacity((head, *nodes)).trials_at_once(workers) == trials


def test_a_trial_whose_process_fits_nowhere_is_refused():
    small = Capacity((Node("a", "small", 4.0, 0.0, 0.5 * GIB),))
    with pytest.raises(UserError, match="holds 1 GiB of memory") as caught:
        small.trials_at_once(2)
    assert "small: 0.5 GiB" in caught.value.where


def test_trials_are_never_put_on_a_node_without_processors():
    assert cluster((4, 0), (0, 1)).where_trained() == {}
    assert cluster((0, 0), (4, 0), (0, 0)).where_trained() == {"ray.io/node-id": "!in(0,2)"}
