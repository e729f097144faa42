import numpy as np
import pytest

from voxsiam_dashboards.figures.embedding import FEWEST_VECTORS, METHODS, embed


def clouds(seed=0):
    """Three directions, twelve vectors each."""
    rng = np.random.default_rng(seed)
    return (np.eye(3, 6).repeat(12, axis=0) + 0.05 * rng.normal(size=(36, 6))).astype(np.float32)


@pytest.mark.parametrize("method", list(METHODS))
def test_like_directions_lie_together(tmp_path, method):
    points = embed(method, clouds(), tmp_path)
    assert points is not None
    groups = points.reshape(3, 12, 2)
    centres = groups.mean(axis=1)
    within = np.abs(groups - centres[:, None]).max()
    between = min(np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert between > within


def test_equal_vectors_are_placed_once(tmp_path, monkeypatch):
    first = embed("t-SNE", clouds(), tmp_path)
    calls = []
    monkeypatch.setitem(METHODS, "t-SNE", lambda vectors: calls.append(1) or vectors[:, :2])
    np.testing.assert_array_equal(embed("t-SNE", clouds(), tmp_path), first)
    assert calls == []
    embed("t-SNE", clouds(seed=1), tmp_path)
    assert calls == [1]


@pytest.mark.parametrize("content", ["", "[[1, 2]]", '{"a": 1}', "[[NaN, 1]]", "\x00", "[" * 9999])
def test_a_damaged_cache_is_computed_again(tmp_path, content):
    first = embed("t-SNE", clouds(), tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text(content)
    np.testing.assert_array_equal(embed("t-SNE", clouds(), tmp_path), first)


def test_too_few_or_equal_vectors_have_no_plane(tmp_path):
    assert embed("t-SNE", clouds()[: FEWEST_VECTORS - 1], tmp_path) is None
    assert embed("t-SNE", np.ones((30, 4), np.float32), tmp_path) is None
    assert embed("t-SNE", clouds()[:FEWEST_VECTORS], tmp_path) is not None
