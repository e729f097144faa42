import dataclasses

import numpy as np
import pytest

from tests.voxsiam_dashboards.study_store import EVIL
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.figures.feature_space import (
    FEWEST_VECTORS,
    METHODS,
    draw_feature_space,
    embed,
    feature_panels,
    feature_space,
    silhouette,
    silhouette_table,
)
from voxsiam_dashboards.figures.look import organ_colours


@pytest.fixture(scope="module")
def panels(report_table, tmp_path_factory):
    return feature_panels(report_table, tmp_path_factory.mktemp("cache"))


def test_a_panel_for_each_level_of_the_first_seed_of_each_row(panels, report_table):
    assert [(panel.row, panel.level) for panel in panels] == [
        (row, level) for row in ("feature (1)", "feature (2)") for level in (1, 2, 3)
    ]
    kept = report_table.rows[0].trials[0].features
    assert kept is not None
    for panel, level in zip(panels, kept.levels, strict=False):
        np.testing.assert_array_equal(panel.classes, level.classes)
        assert panel.case_ids[0] == "000"
        assert panel.case_ids[-1] == "002"


def test_points_have_their_organs_colour_and_case(panels):
    figure = feature_space(panels)
    assert figure is not None
    traces = figure.to_plotly_json()["data"]
    assert len(traces) == 9 * len(panels)
    liver = [trace for trace in traces if trace["legendgroup"] == "liver"]
    assert {trace["marker"]["color"] for trace in liver} == {organ_colours(PAPER_ORGANS)["liver"]}
    assert [trace["showlegend"] for trace in liver].count(True) == 1
    panel, trace = panels[0], liver[0]
    value = PAPER_ORGANS.index("liver") + 1
    places = next(iter(panel.planes.values()))[panel.classes == value]
    np.testing.assert_allclose(np.stack([trace["x"], trace["y"]], axis=1), places, atol=1e-3)
    assert list(trace["text"]) == [
        case for case, found in zip(panel.case_ids, panel.classes, strict=True) if found == value
    ]


def test_better_separated_features_have_the_larger_silhouette(panels):
    found = {(panel.row, panel.level): panel.silhouette for panel in panels}
    assert all(found["feature (2)", level] > found["feature (1)", level] for level in (1, 2, 3))
    assert panels[0].title == f"feature (1), level 1, silhouette {found['feature (1)', 1]:.2f}"


def test_the_table_of_silhouettes_has_a_column_for_each_level(panels):
    table = silhouette_table(panels)
    assert table.header == ("Row", "Level 1", "Level 2", "Level 3")
    assert [line[0] for line in table.body] == ["feature (1)", "feature (2)"]
    assert table.body[1][3] == f"{panels[5].silhouette:.3f}"


def test_silhouette_of_cosine_distances_by_hand():
    vectors = np.array([[1, 0], [5, 0], [0, 1], [0, 2]], np.float32)
    # Within a class the distance is 0, between classes 1, whatever the lengths.
    assert silhouette(vectors, np.array([0, 0, 1, 1], np.uint8)) == pytest.approx(1)
    assert silhouette(vectors, np.array([0, 1, 0, 1], np.uint8)) == pytest.approx(-0.5)
    assert silhouette(vectors, np.zeros(4, np.uint8)) is None
    assert silhouette(vectors, np.arange(4, dtype=np.uint8)) is None


def test_labels_are_text(report_table, tmp_path):
    row = dataclasses.replace(report_table.rows[1], label=EVIL)
    panels = feature_panels(dataclasses.replace(report_table, rows=(row,)), tmp_path)
    figure = feature_space(panels)
    assert figure is not None
    assert "<script>" not in str(figure.to_json())
    assert draw_feature_space(panels) is not None


def test_runs_without_features_have_no_figure(report_table, tmp_path):
    empty = dataclasses.replace(report_table, rows=report_table.rows[2:])
    assert feature_panels(empty, tmp_path) == []
    assert feature_space([]) is None
    assert draw_feature_space([]) is None


def test_every_class_has_a_colour_of_its_own(panels):
    colours = panels[0].colours
    assert list(colours) == ["background", *PAPER_ORGANS]
    assert len(set(colours.values())) == 9


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
