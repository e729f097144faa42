"""Cases that are one scan or one patient, and cases that are not."""

import dataclasses

import numpy as np
import pytest

from tests.voxsiam_data.checks.trunks import SPACING, known, trunk
from voxsiam_data.checks.case_voxels import CaseVoxels
from voxsiam_data.checks.duplicates import centres_of, find_pairs, overlap, shifts_mm
from voxsiam_data.checks.likeness_marks import Fingerprint, fingerprint_of, organ_shapes


def print_of(image, label):
    return fingerprint_of(CaseVoxels(SPACING, image, label), (), ())


def likeness(*cases):
    pairs = find_pairs({str(i): print_of(*case) for i, case in enumerate(cases)})
    return [(pair.first, pair.second, pair.likeness) for pair in pairs]


def redrawn(label):
    changed = label.copy()
    changed[:, :, ::7][label[:, :, ::7] == 8] = 0
    return changed


IMAGE, LABEL = trunk()
NOISE = np.random.default_rng(5).integers(-1, 2, IMAGE.shape).astype(np.int16)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((IMAGE, LABEL), "equal voxels"),
        ((IMAGE.astype(np.float32), LABEL), "equal voxels"),
        ((IMAGE + NOISE, LABEL), "equal voxels"),  # the labels
        ((IMAGE + NOISE, redrawn(LABEL)), "near-equal images"),
        ((None, LABEL), "equal voxels"),
        ((None, redrawn(LABEL)), "near-equal labels"),
        ((None, trunk(seed=2, shift=0.5)[1]), "same patient"),
        (trunk(seed=1, shift=14), None),
        (trunk(stretch=0.7), None),
    ],
)
def test_what_is_alike(other, expected):
    found = likeness((IMAGE, LABEL), other)
    assert found == ([("0", "1", expected)] if expected else [])


def test_equal_files_come_before_equal_voxels():
    one = Fingerprint(image_files="a", image_voxels="b", label_files="c", label_voxels="d")
    others = {
        "file": one,
        "anew": dataclasses.replace(one, image_files="x", label_files="y"),
        "neither": Fingerprint("1", "2", "3", "4"),
        "unread": Fingerprint(),
        "unread too": Fingerprint(),
    }
    pairs = find_pairs({"first": one} | others)
    found = {(pair.first, pair.second): pair.likeness for pair in pairs}
    assert found == {
        ("first", "file"): "equal files",
        ("first", "anew"): "equal voxels",
        ("file", "anew"): "equal voxels",
    }


def shift_mm(shapes, others):
    return shifts_mm(centres_of(shapes, 8), centres_of(others, 8)[None])[0]


def test_the_place_in_the_scan_and_cut_organs_do_not_matter():
    shapes = organ_shapes(LABEL, SPACING)
    moved = organ_shapes(np.roll(LABEL, (1, 1, 1), (0, 1, 2)), SPACING)
    assert shift_mm(shapes, moved) == pytest.approx(0, abs=1e-6)
    assert overlap(shapes, moved) == pytest.approx(1)
    cut = organ_shapes(LABEL[:30], SPACING)
    assert 5 not in cut  # the liver reaches the last slice
    assert overlap(shapes, cut) == pytest.approx(1)
    few = {organ: shape for organ, shape in shapes.items() if organ < 4}
    assert shift_mm(shapes, few) == np.inf


def test_shifts_are_medians_after_laying_the_cases_on_one_another():
    one = np.zeros((8, 3))
    others = np.stack([one + np.array([3, 4, 5]), one, one])
    others[1, 0] = (0, 0, 90)
    others[2, :5] = np.nan
    assert shifts_mm(one, others).tolist() == [0, 0, np.inf]


def test_a_fingerprint_takes_a_few_kilobytes():
    fingerprint = print_of(IMAGE, LABEL)
    packed = sum(len(shape.packed) for shape in known(fingerprint.organs).values())
    size = known(fingerprint.coarse_hu).nbytes + packed
    assert size < 10_000
