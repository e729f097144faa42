import numpy as np
import pytest

from tests.voxsiam_data.checks.trunks import SPACING, trunk
from voxsiam.inference.plausibility import MAX_PIECES, implausible
from voxsiam.types import PAPER_ORGANS

_, LABEL = trunk()
VOXEL_ML = np.prod(SPACING) / 1000


def said(label, **volumes):
    counts = np.bincount(label.ravel(), minlength=len(PAPER_ORGANS) + 1)[1:]
    organ_ml = {o: float(n * VOXEL_ML) for o, n in zip(PAPER_ORGANS, counts, strict=True)} | volumes
    return list(implausible(label, SPACING, organ_ml))


def test_a_plausible_map_is_passed_over():
    assert said(LABEL) == []


def test_volumes_that_no_body_has_are_listed_in_one_line_with_their_range_and_its_source():
    (line,) = said(LABEL, pancreas=37000.0, liver=150.0)
    assert "liver 150 ml (usual 600 to 3,500)" in line
    assert "pancreas 3.7e+04 ml" not in line
    assert "pancreas 37,000 ml (usual 15 to 250)" in line
    assert "docs/checks.md" in line


def test_an_organ_that_the_scan_cuts_may_be_small():
    label = np.zeros_like(LABEL)
    label[:3, 20:25, 20:25] = 1
    assert said(label) == []
    label[5:8], label[:3] = label[:3].copy(), 0
    (line,) = said(label)
    assert "spleen 6 ml (usual 40 to 900)" in line


def test_an_organ_in_hundreds_of_pieces_is_counted():
    label = LABEL.copy()
    inside = label == PAPER_ORGANS.index("liver") + 1
    grid = np.zeros(label.shape, bool)
    grid[::2, ::2, ::2] = True
    label[inside & ~grid] = 0
    (line,) = said(label, liver=1500.0)
    pieces = np.count_nonzero(inside & grid)
    assert pieces > MAX_PIECES
    assert line == f"organs in many pieces: liver {pieces}; an organ is one piece"


def test_no_organ_at_all():
    assert said(np.zeros_like(LABEL)) == ["no organ was found"]


@pytest.mark.parametrize("organs", [("spleen",), ("spleen", "left_kidney")])
def test_left_and_right_exchanged(organs):
    mirrored = LABEL[:, :, ::-1].copy()
    keep = [PAPER_ORGANS.index(o) + 1 for o in ("liver", *organs)]
    mirrored[~np.isin(mirrored, keep)] = 0
    (line,) = said(mirrored)
    assert "left and right look exchanged" in line
    assert all(o.replace("_", " ") in line for o in organs)
