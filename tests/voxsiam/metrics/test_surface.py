import itertools

import numpy as np
import pytest
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_distance import compute_average_surface_distance

from tests.voxsiam.metrics.masks import random_mask_pairs
from voxsiam.metrics.surface import assd, hd95, surface, surface_distances

CROSS = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


def literal_surface(mask):
    voxels = {tuple(int(i) for i in voxel) for voxel in np.argwhere(mask)}
    return [
        v for v in sorted(voxels) if any(tuple(np.add(v, step)) not in voxels for step in CROSS)
    ]


def literal_directed(source, target, spacing_mm):
    """Nearest distance of every surface voxel, over all pairs."""
    a = np.array(literal_surface(source)) * spacing_mm
    b = np.array(literal_surface(target)) * spacing_mm
    return np.array([min(np.sqrt(((p - q) ** 2).sum()) for q in b) for p in a])


def literal_percentile(values, percent):
    ranked = sorted(values)
    place = (len(ranked) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (place - low) * (ranked[high] - ranked[low])


def test_surface_is_the_mask_without_its_inside():
    for mask, _, _ in random_mask_pairs(30):
        assert [tuple(v) for v in np.argwhere(surface(mask)).tolist()] == literal_surface(mask)


def test_equal_the_definitions_over_all_pairs():
    for prediction, reference, spacing_mm in random_mask_pairs(100):
        there = literal_directed(prediction, reference, spacing_mm)
        back = literal_directed(reference, prediction, spacing_mm)
        pooled = literal_percentile([*there, *back], 95)
        assert hd95(prediction, reference, spacing_mm) == pytest.approx(pooled, abs=1e-9)
        mean = (there.mean() + back.mean()) / 2
        assert assd(prediction, reference, spacing_mm) == pytest.approx(mean, abs=1e-9)


def monai_input(mask):
    return torch.from_numpy(mask)[None, None].float()


def monai_pairs():
    """MONAI reads a lone voxel row and its crop as we do only from two voxels a side on."""
    return [pair for pair in random_mask_pairs(60) if min(pair[0].shape) > 1]


def test_directed_percentiles_equal_monai():
    # MONAI's HD95 is the larger of the two directed percentiles, ours (medpy's) is the percentile
    # of the pool, and neither bounds the other. The directed sets are what can be compared.
    for prediction, reference, spacing_mm in monai_pairs():
        ours = surface_distances(prediction, reference, [spacing_mm])[0]
        for distances, pair in (
            (ours.to_reference, (prediction, reference)),
            (ours.to_prediction, (reference, prediction)),
        ):
            theirs = compute_hausdorff_distance(
                *map(monai_input, pair),
                include_background=True,
                percentile=95,
                directed=True,
                spacing=spacing_mm,
            )
            assert np.percentile(distances, 95) == pytest.approx(theirs.item(), rel=1e-5)


def test_pooled_mean_equals_monai():
    # MONAI's symmetric mean is over the pool, medpy's ASSD the mean of two means; the pool of the
    # two directed sets is what both share.
    for prediction, reference, spacing_mm in monai_pairs():
        ours = surface_distances(prediction, reference, [spacing_mm])[0]
        theirs = compute_average_surface_distance(
            monai_input(prediction),
            monai_input(reference),
            include_background=True,
            symmetric=True,
            spacing=spacing_mm,
        )
        pooled = np.concatenate([ours.to_reference, ours.to_prediction]).mean()
        assert pooled == pytest.approx(theirs.item(), rel=1e-5)


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


def test_pooling_weighs_voxels_but_the_mean_weighs_directions():
    # One voxel against a rod of 41: directed distances 0 and 0..20 twice.
    rod, voxel = np.zeros((1, 1, 41), bool), np.zeros((1, 1, 41), bool)
    rod[...] = True
    voxel[0, 0, 20] = True
    there = [abs(i - 20) for i in range(41)]
    assert assd(rod, voxel) == pytest.approx(np.mean(there) / 2)
    assert hd95(rod, voxel) == pytest.approx(np.percentile([0, *there], 95))


def test_order_of_the_masks_does_not_matter():
    for prediction, reference, spacing_mm in random_mask_pairs(20):
        for measure in (hd95, assd):
            assert measure(prediction, reference, spacing_mm) == pytest.approx(
                measure(reference, prediction, spacing_mm), abs=1e-12
            )


def test_scales_with_the_spacing_and_ignores_surrounding_space():
    for prediction, reference, spacing_mm in random_mask_pairs(20):
        d, h, w = spacing_mm
        wide = (np.pad(prediction, 3), np.pad(reference, 3))
        value = hd95(prediction, reference, spacing_mm)
        assert hd95(prediction, reference, (2 * d, 2 * h, 2 * w)) == pytest.approx(2 * value)
        assert hd95(wide[0], wide[1], spacing_mm) == pytest.approx(value)


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
