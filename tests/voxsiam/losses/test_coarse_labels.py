from typing import get_args

import pytest
import torch

from tests import reference
from voxsiam.losses.coarse_labels import cell_purity, coarse_labels
from voxsiam.losses.config import CoarseLabels

KINDS = get_args(CoarseLabels)


def draw_labels(shape=(2, 9, 8, 6), classes=3, seed=0):
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(seed))


def cells(labels, stride, size):
    """Every cell with its place: case, d, h, w."""
    for place in torch.cartesian_prod(*(torch.arange(n) for n in (len(labels), *size))).tolist():
        case, d, h, w = place
        corner = (slice(stride * i, stride * (i + 1)) for i in (d, h, w))
        yield (case, d, h, w), labels[case][tuple(corner)].numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("stride", "size"), [(1, (9, 8, 6)), (2, (4, 4, 3)), (4, (2, 2, 1))])
def test_every_cell_equals_the_slow_copy(kind, stride, size):
    labels = draw_labels()
    found = coarse_labels(labels, stride, size, kind, 3)
    assert found.shape == (2, *size)
    for place, cell in cells(labels, stride, size):
        assert found[place] == reference.coarse_label(cell, kind)


def test_nearest_is_that_of_torch():
    labels = draw_labels((1, 16, 16, 16))
    theirs = torch.nn.functional.interpolate(labels[:, None].float(), size=(2, 2, 2))
    assert torch.equal(coarse_labels(labels, 8, (2, 2, 2), "nearest", 3), theirs[:, 0].long())


def test_an_organ_of_one_voxel_survives_only_where_any_organ_counts():
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    labels[0, 3, 3, 3] = 2
    kept = {kind: coarse_labels(labels, 8, (1, 1, 1), kind, 3).item() for kind in KINDS}
    assert kept == {"nearest": 0, "centre": 0, "majority": 0, "any_organ": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_purity_is_the_share_of_the_cells_own_class(kind):
    labels = draw_labels()
    coarse = coarse_labels(labels, 2, (4, 4, 3), kind, 3)
    purity = cell_purity(labels, coarse, 2)
    for place, cell in cells(labels, 2, (4, 4, 3)):
        assert purity[place].item() == pytest.approx((cell == coarse[place].item()).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_no_cases_give_no_cells(kind):
    empty = coarse_labels(draw_labels()[:0], 2, (4, 4, 3), kind, 3)
    assert empty.shape == (0, 4, 4, 3)
    assert cell_purity(draw_labels()[:0], empty, 2).shape == empty.shape
