import numpy as np
import pytest

from tests.voxsiam.metrics.definitions import literal_nearest
from tests.voxsiam.metrics.masks import random_mask_pairs
from voxsiam.metrics import nearest
from voxsiam.metrics.nearest import nearest_distances, neighbourhood

SPACINGS = [
    (1.0, 1.0, 1.0),
    (5.0, 0.7, 0.7),
    (0.5, 3.0, 1.1),
    (50.0, 1.0, 1.0),
    (0.01, 100.0, 1.0),
    (100.0, 0.01, 100.0),
]


def literal(voxels, targets, spacing):
    return literal_nearest(np.argwhere(voxels), np.argwhere(targets), spacing)


@pytest.fixture(
    params=[{}, {"MAX_STEPS": 5}, {"_BLOCK": 3}, {"MAX_REACH_VOXELS": 1, "_FIRST_PIECE": 2}],
    ids=["as it is", "few steps", "small blocks", "short reach"],
)
def limits(request, monkeypatch):
    """The search with its limits, and with limits so low that all its branches are taken."""
    for name, value in request.param.items():
        monkeypatch.setattr(nearest, name, value)
    neighbourhood.cache_clear()
    yield request.param
    neighbourhood.cache_clear()


@pytest.mark.usefixtures("limits")
def test_equals_looking_at_every_target():
    for voxels, targets, spacing in random_mask_pairs(60):
        found = nearest_distances(voxels, targets, spacing)
        np.testing.assert_allclose(found, literal(voxels, targets, spacing), rtol=1e-12)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("spacing", SPACINGS)
def test_sparse_sets_lie_far_apart(spacing):
    rng = np.random.default_rng(3)
    voxels, targets = rng.random((2, 14, 40, 33)) < 0.002
    found = nearest_distances(voxels, targets, spacing)
    np.testing.assert_allclose(found, literal(voxels, targets, spacing), rtol=1e-12)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_neighbourhood_is_sorted_and_leaves_nothing_out(spacing):
    near = neighbourhood(spacing)
    assert len(near.steps) <= nearest.MAX_STEPS
    assert near.steps[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(near.distances, np.linalg.norm(near.steps * spacing, axis=1))
    assert (np.diff(near.distances) >= 0).all()
    assert np.abs(near.steps).max(axis=0).tolist() <= list(near.reach)
    known = {tuple(step) for step in near.steps.tolist()}
    around = [np.arange(-15, 16)] * 3
    everywhere = np.stack(np.meshgrid(*around, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(everywhere * spacing, axis=1)
    closer = everywhere[lengths < near.distances[-1] * (1 - 1e-12)]
    assert {tuple(step) for step in closer.tolist()} <= known


def test_reach_keeps_the_margin_small():
    for spacing in SPACINGS:
        assert max(neighbourhood(spacing).reach) <= nearest.MAX_REACH_VOXELS


def test_none_to_ask_about():
    targets = np.ones((2, 2, 2), bool)
    assert nearest_distances(~targets, targets, (1.0, 1.0, 1.0)).shape == (0,)


def test_views_of_other_memory_order():
    rng = np.random.default_rng(5)
    voxels, targets = rng.random((2, 7, 9, 11)) < 0.05
    plain = nearest_distances(voxels, targets, (3.0, 1.0, 2.0))
    as_fortran = nearest_distances(
        np.asfortranarray(voxels), np.asfortranarray(targets), (3.0, 1.0, 2.0)
    )
    np.testing.assert_array_equal(plain, as_fortran)
