import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.figures.look import organ_colours
from voxsiam_dashboards.figures.overlays import (
    LETTERS,
    busiest_slice,
    coloured,
    draw_overlays,
    pixel_aspect,
    to_picture,
)

# Far end of each axis d, h, w and the letter of that side of the patient.
FAR_ENDS = {"S": 0, "A": 1, "R": 2}
NEAR_ENDS = {"I": 0, "P": 1, "L": 2}


def marked(letter):
    """A volume whose voxels at one side of the patient are 1."""
    volume = np.zeros((5, 7, 9), np.uint8)
    axis = (FAR_ENDS | NEAR_ENDS)[letter]
    volume.swapaxes(0, axis)[-1 if letter in FAR_ENDS else 0] = 1
    return volume


@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_letters_stand_where_the_patients_sides_are(plane):
    edges = (np.s_[:, 0], np.s_[:, -1], np.s_[0], np.s_[-1])
    for letter, edge in zip(LETTERS[plane], edges, strict=True):
        picture = to_picture(marked(letter), plane, 2)
        assert picture[edge].all()
        assert picture.sum() == picture[edge].size


def test_radiological_convention():
    assert LETTERS["axial"] == ("R", "L", "A", "P")
    assert LETTERS["coronal"] == ("R", "L", "S", "I")


def test_the_liver_lies_on_the_left_of_the_picture(results):
    overlay = results.trials[1].overlay
    for plane in ("axial", "coronal"):
        picture = to_picture(overlay.label == 5, plane, busiest_slice(overlay.label, plane))
        assert np.argwhere(picture)[:, 1].max() < picture.shape[1] / 2


def test_busiest_slice_has_most_organs_then_most_voxels():
    label = np.zeros((4, 5, 6), np.uint8)
    label[1] = 1
    label[2, 0, :2] = (1, 2)
    label[3, 0, :3] = (1, 2, 2)
    assert busiest_slice(label, "axial") == 3
    assert busiest_slice(label, "coronal") == 0


def test_pixels_have_the_voxels_proportions():
    assert pixel_aspect((5.0, 2.0, 4.0), "axial") == 0.5
    assert pixel_aspect((5.0, 2.0, 4.0), "coronal") == 1.25


def test_organs_are_coloured_and_the_rest_stays_grey():
    grey = np.full((5, 5), 0.4, np.float32)
    labels = np.zeros((5, 5), np.uint8)
    labels[1:4, 1:4] = 5
    picture = coloured(grey, labels)
    assert np.allclose(picture[0, 0], 0.4)
    liver = np.array(to_rgb(organ_colours(PAPER_ORGANS)["liver"]))
    inside, outline = (np.abs(picture[place] - liver).sum() for place in ((2, 2), (1, 1)))
    assert 0 < outline < inside < np.abs(0.4 - liver).sum()


def test_draws_the_first_case_with_every_row(report_table, tmp_path):
    assert draw_overlays(report_table, tmp_path / "a.png") == "000"
    picture = imread(tmp_path / "a.png")[..., :3]
    assert picture.shape[1] > 4 * picture.shape[0] / 3
    liver = np.array(to_rgb(organ_colours(PAPER_ORGANS)["liver"]))
    columns = np.flatnonzero((np.abs(picture - liver).max(axis=-1) < 0.03).any(axis=0))
    # Ground truth and two predictions; the other two rows have no picture.
    assert columns.min() > picture.shape[1] / 6
    assert draw_overlays(report_table, tmp_path / "b.png") == "000"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_prediction_of_another_case_is_not_shown_as_this_one(report_table, tmp_path):
    rows = list(report_table.rows)
    overlay = rows[1].trials[0].overlay
    other = dataclasses.replace(
        rows[1].trials[0], overlay=dataclasses.replace(overlay, case_id="x")
    )
    rows[1] = dataclasses.replace(rows[1], trials=(other,))
    draw_overlays(report_table, tmp_path / "same.png")
    draw_overlays(dataclasses.replace(report_table, rows=tuple(rows)), tmp_path / "other.png")
    same, changed = (imread(tmp_path / f"{name}.png")[..., :3] for name in ("same", "other"))
    dark = [(picture.max(axis=-1) < 0.01).mean() for picture in (same, changed)]
    assert dark[1] > dark[0] + 0.05


def test_no_picture_without_a_finished_run(report_table, tmp_path):
    empty = dataclasses.replace(report_table, rows=report_table.rows[2:])
    assert draw_overlays(empty, tmp_path / "none.png") is None
    assert not (tmp_path / "none.png").exists()
