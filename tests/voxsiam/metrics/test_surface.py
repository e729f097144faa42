import itertools

import numpy as np
import pytest
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_distance import compute_average_surface_distance
from monai.metrics.utils import get_edge_surface_distance

from tests.voxsiam.metrics.definitions import (
    literal_assd,
    literal_directed,
    literal_hd95,
    literal_surface,
)
from tests.voxsiam.metrics.masks import random_mask_pairs
from voxsiam.metrics.surface import assd, hd95, surface, surface_distances

FLOAT32 = 2e-7


@pytest.fixture(scope="module")
def measured():
    """500 random anisotropic pairs with both directed sets."""
    return [(pair, surface_distances(*pair[:2], [pair[2]])[0]) for pair in random_mask_pairs(500)]


def test_surface_is_the_mask_without_its_inside():
    for mask, _, _ in random_mask_pairs(30):
        assert [tuple(v) for v in np.argwhere(surface(mask)).tolist()] == literal_surface(mask)


def test_equal_the_definitions_over_all_pairs(measured):
    for (prediction, reference, spacing_mm), ours in measured:
        there = literal_directed(prediction, reference, spacing_mm)
        back = literal_directed(reference, prediction, spacing_mm)
        np.testing.assert_allclose(ours.to_reference, there, rtol=1e-12)
        np.testing.assert_allclose(ours.to_prediction, back, rtol=1e-12)
        assert ours.hd95 == pytest.approx(literal_hd95(there, back), rel=1e-12, abs=1e-12)
        assert ours.assd == pytest.approx(literal_assd(there, back), rel=1e-12, abs=1e-12)


def test_directed_sets_equal_monai(measured):
    # The sets are what both share: every definition is a figure of them. MONAI keeps float32.
    for (prediction, reference, spacing_mm), ours in measured:
        masks = (torch.from_numpy(prediction), torch.from_numpy(reference))
        _, theirs, _ = get_edge_surface_distance(*masks, spacing=spacing_mm, symmetric=True)
        for own, other in zip((ours.to_reference, ours.to_prediction), theirs, strict=True):
            np.testing.assert_allclose(own, other.numpy(), rtol=FLOAT32)


def monai_input(mask):
    return torch.from_numpy(mask)[None, None].float()


def test_percentiles_and_pooled_mean_equal_monai(measured):
    # MONAI's HD95 is the larger of the two directed percentiles, ours (medpy's) is the percentile
    # of the pool, and neither bounds the other. Its symmetric mean is over the pool, medpy's ASSD
    # is the mean of two means.
    for (prediction, reference, spacing_mm), ours in measured[:60]:
        pair = (monai_input(prediction), monai_input(reference))
        options = {"include_background": True, "spacing": spacing_mm}
        theirs = compute_hausdorff_distance(*pair, percentile=95, **options).item()
        assert ours.larger_directed_hd95 == pytest.approx(theirs, rel=1e-5)
        theirs = compute_average_surface_distance(*pair, symmetric=True, **options).item()
        assert ours.pooled_assd == pytest.approx(theirs, rel=1e-5)


def test_every_reading_of_empty_masks_is_undefined():
    empty, full = np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)
    (found,) = surface_distances(empty, full, [(1.0, 1.0, 1.0)])
    figures = (found.hd95, found.assd, found.larger_directed_hd95, found.pooled_assd)
    assert np.isnan(figures).all()


@pytest.mark.parametrize(
    ("axis", "expected_mm"), [(0, 5.0), (1, 2.0), (2, 1.5)], ids=["d", "h", "w"]
)
def test_neighbouring_voxels_lie_one_spacing_apart(axis, expected_mm):
    first, second = np.zeros((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    first[1, 1, 1] = True
    second[tuple(np.add((1, 1, 1), np.eye(3, dtype=int)[axis]))] = True
    assert hd95(first, second, (5.0, 2.0, 1.5)) == pytest.approx(expected_mm)
    assert assd(first, second, (5.0, 2.0, 1.5)) == pytest.approx(expected_mm)


def test_identical_masks_are_zero_apart():
    block = np.zeros((6, 6, 6), bool)
    block[1:5, 2:5, 1:4] = True
    assert (hd95(block, block), assd(block, block)) == (0.0, 0.0)


def test_shifted_cube():
    # A 3-voxel cube moved by one voxel along w. Surface: 26 voxels each. The face that sticks out
    # (9 voxels) is 1 away; of the other 17, only the old cube's centre column differs: the voxel in
    # the middle of the face now inside lies 1 from the nearest surface.
    first, second = np.zeros((7, 7, 7), bool), np.zeros((7, 7, 7), bool)
    first[2:5, 2:5, 2:5] = True
    second[2:5, 2:5, 3:6] = True
    assert assd(first, second) == pytest.approx(10 / 26)
    assert hd95(first, second) == 1.0


def test_two_voxels_at_the_ends_of_a_thin_array():
    # Farther apart than any neighbourhood reaches.
    first, second = np.zeros((1, 1, 900), bool), np.zeros((1, 1, 900), bool)
    first[0, 0, 0] = second[0, 0, 899] = True
    assert hd95(first, second, (2.5, 1.0, 0.7)) == pytest.approx(899 * 0.7, rel=1e-12)
    assert assd(first, second, (2.5, 1.0, 0.7)) == pytest.approx(899 * 0.7, rel=1e-12)


def test_pooling_weighs_voxels_but_the_mean_weighs_directions():
    # One voxel against a rod of 41: directed distances 0 and 0..20 twice.
    rod, voxel = np.zeros((1, 1, 41), bool), np.zeros((1, 1, 41), bool)
    rod[...] = True
    voxel[0, 0, 20] = True
    there = [abs(i - 20) for i in range(41)]
    assert assd(rod, voxel) == pytest.approx(np.mean(there) / 2)
    assert hd95(rod, voxel) == pytest.approx(np.percentile([0, *there], 95))


def test_order_of_the_masks_does_not_matter(measured):
    for (prediction, reference, spacing_mm), ours in measured[:20]:
        swapped = surface_distances(reference, prediction, [spacing_mm])[0]
        assert ours.hd95 == pytest.approx(swapped.hd95, abs=1e-12)
        assert ours.assd == pytest.approx(swapped.assd, abs=1e-12)


def test_scales_with_the_spacing_and_ignores_surrounding_space():
    for prediction, reference, spacing_mm in random_mask_pairs(20):
        d, h, w = spacing_mm
        wide = (np.pad(prediction, 3), np.pad(reference, 3))
        value = hd95(prediction, reference, spacing_mm)
        assert hd95(prediction, reference, (2 * d, 2 * h, 2 * w)) == pytest.approx(2 * value)
        assert hd95(wide[0], wide[1], spacing_mm) == value


def test_several_spacings_equal_one_at_a_time():
    for prediction, reference, spacing_mm in random_mask_pairs(20):
        spacings = [(1.0, 1.0, 1.0), spacing_mm]
        together = surface_distances(prediction, reference, spacings)
        for spacing, distances in zip(spacings, together, strict=True):
            assert distances.hd95 == hd95(prediction, reference, spacing)
            assert distances.assd == assd(prediction, reference, spacing)


@pytest.mark.parametrize(("fill_a", "fill_b"), list(itertools.product([False, True], repeat=2)))
def test_empty_masks_have_no_distance(fill_a, fill_b):
    first, second = np.full((2, 3, 4), fill_a), np.full((2, 3, 4), fill_b)
    undefined = not (fill_a and fill_b)
    assert np.isnan(hd95(first, second)) == undefined
    assert np.isnan(assd(first, second)) == undefined
