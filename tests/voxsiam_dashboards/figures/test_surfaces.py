import dataclasses

import numpy as np
import pytest

from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.figures import surfaces as module
from voxsiam_dashboards.figures.surfaces import (
    ENDS,
    DrawnOrgan,
    case_surfaces,
    draw_surfaces,
    organ_surface,
    surfaces,
)

SPACING = (5.0, 2.0, 3.0)


LIVER, SPLEEN = DrawnOrgan("liver", 5, "#D55E00"), DrawnOrgan("spleen", 1, "#E69F00")


def block(d, h, w, shape=(20, 24, 28), organ="liver"):
    label = np.zeros(shape, np.uint8)
    label[d, h, w] = PAPER_ORGANS.index(organ) + 1
    return label


def test_a_block_lies_where_it_is_in_mm_and_keeps_its_size():
    label = block(slice(4, 10), slice(6, 18), slice(2, 12))
    found = organ_surface(label, LIVER, SPACING)
    assert found is not None
    # x is w, y is h, z is d; a voxel reaches from its index to the next.
    low, high = found.vertices.min(axis=0), found.vertices.max(axis=0)
    np.testing.assert_allclose(low, (2 * 3.0, 6 * 2.0, 4 * 5.0), atol=2.5)
    np.testing.assert_allclose(high, (12 * 3.0, 18 * 2.0, 10 * 5.0), atol=2.5)
    assert volume_of(found) == pytest.approx(6 * 12 * 10 * 30.0, rel=0.1)


def volume_of(surface):
    """Volume that a closed surface holds; it is positive where the faces look outwards."""
    a, b, c = surface.vertices[surface.faces].astype(float).swapaxes(0, 1)
    return (a * np.cross(b, c)).sum() / 6


@pytest.mark.parametrize(
    ("side", "where", "axis"),
    [
        ("R", (slice(8, 12), slice(8, 16), slice(20, 28)), 0),
        ("A", (slice(8, 12), slice(16, 24), slice(8, 16)), 1),
        ("S", (slice(14, 20), slice(8, 16), slice(8, 16)), 2),
    ],
)
def test_letters_stand_where_the_patients_sides_are(side, where, axis):
    """w runs to the right, h to anterior, d to superior (voxsiam.types)."""
    found = organ_surface(block(*where), LIVER, SPACING)
    assert found is not None
    extent = (28 * 3.0, 24 * 2.0, 20 * 5.0)[axis]
    assert found.vertices[:, axis].mean() > extent / 2
    assert list(ENDS.values())[axis][1] == side


def test_the_view_is_from_the_front_and_not_mirrored(report_table):
    figure = surfaces(case_surfaces(report_table))
    assert figure is not None
    scene = figure.to_plotly_json()["layout"]["scene"]
    # Plotly's frame is right-handed: from y > 0 with z up, x > 0 lies on the left.
    eye = scene["camera"]["eye"]
    assert eye["y"] > 3 * abs(eye["x"])
    assert scene["camera"]["up"] == {"x": 0, "y": 0, "z": 1}
    assert scene["aspectmode"] == "manual"
    mm = {axis: scene[f"{axis}axis"]["range"][1] / scene["aspectratio"][axis] for axis in ENDS}
    assert mm["x"] == pytest.approx(mm["y"]) == pytest.approx(mm["z"])
    for axis, (low, high) in ENDS.items():
        assert scene[f"{axis}axis"]["ticktext"] == [low, high]
        assert scene[f"{axis}axis"]["range"][0] == 0


def test_the_liver_lies_on_the_patients_right(report_table):
    bodies = case_surfaces(report_table)
    assert bodies is not None
    middle = bodies.extent_mm[0] / 2
    means = {s.organ: s.vertices[:, 0].mean() for s in bodies.views[0].surfaces}
    assert means["liver"] > middle > means["spleen"]


def test_truth_first_then_every_row_that_has_the_case(report_table):
    bodies = case_surfaces(report_table)
    assert bodies is not None
    assert [view.title for view in bodies.views] == ["Ground truth", "feature (1)", "feature (2)"]
    assert bodies.extent_mm == pytest.approx((32 * 2.5, 32 * 2.5, 24 * 5.0))
    figure = surfaces(bodies)
    assert figure is not None
    meshes = figure.to_plotly_json()["data"]
    assert {mesh["scene"] for mesh in meshes} == {"scene", "scene2", "scene3"}
    legend = [mesh["legendgroup"] for mesh in meshes if mesh["showlegend"]]
    assert sorted(legend) == sorted(PAPER_ORGANS)


def test_the_faces_stay_within_their_number(report_table, monkeypatch):
    monkeypatch.setattr(module, "MOST_FACES", 3000)
    bodies = case_surfaces(report_table)
    assert bodies is not None
    faces = sum(len(s.faces) for view in bodies.views for s in view.surfaces)
    assert 0 < faces <= 3000


def test_organs_at_the_border_are_closed_and_absent_ones_have_no_surface():
    label = block(slice(0, 20), slice(0, 24), slice(0, 28))
    found = organ_surface(label, LIVER, SPACING)
    assert found is not None
    assert volume_of(found) == pytest.approx(label.size * 30.0, rel=0.1)
    assert organ_surface(label, SPLEEN, SPACING) is None
    single = block(slice(3, 4), slice(3, 4), slice(3, 4))
    assert organ_surface(single, LIVER, SPACING) is not None


def test_no_figure_without_a_case(report_table):
    empty = dataclasses.replace(report_table, rows=report_table.rows[2:])
    assert case_surfaces(empty) is None
    assert surfaces(None) is None
    assert draw_surfaces(None) is None
