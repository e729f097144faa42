from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from tests.voxsiam_data.checks.trunks import SPACING, grid_mm, trunk
from voxsiam.volumes.body_axes import BodyAxes, axes_of, body_axes
from voxsiam.volumes.body_landmarks import BodyLandmarks, Side, body_landmarks
from voxsiam.volumes.label_flip import AS_IT_IS, FLIPS, flip_name
from voxsiam.volumes.nifti import read_nifti
from voxsiam.volumes.orientation import axis_order, flipped, spacing_dhw, to_canonical


def walled_trunk():
    """A trunk whose lungs lie inside a wall of muscle."""
    image, _ = trunk()
    _, h, w = grid_mm()
    inside = (h / 95) ** 2 + (w / 138) ** 2 <= 1
    image[((h / 105) ** 2 + (w / 150) ** 2 <= 1) & ~inside] = 50
    return image


IMAGE = walled_trunk()
SKIN = (Side(60.0, is_skin=True), Side(140.0, is_skin=True))
EVEN = (Side(150.0, is_skin=True), Side(150.0, is_skin=True))
TRUE = BodyLandmarks(
    extent_mm=(250.0, 250.0, 350.0),
    bone_share=(0.9, 0.3, 0.3),
    end_share=(0.6, 0.1, 0.05),
    spine_rival=0.4,
    front_back=SKIN,
    left_right=EVEN,
    core_ml=(50.0, 400.0),
    core_offset_mm=60.0,
    core_at=0.5,
    lung_ml=500.0,
    lung_at=0.9,
)
SWAPPED = (SKIN[1], SKIN[0])
NO_SKIN = (Side(140.0, is_skin=True), Side(60.0, is_skin=False))

CHANGES = {
    "behind": ({}, (True, True, True)),
    "in front": ({"front_back": SWAPPED}, (True, False, True)),
    "in front, its skin out of view": ({"front_back": NO_SKIN}, (True, None, True)),
    "spine in the middle": ({"front_back": EVEN}, (True, None, True)),
    "another column": ({"spine_rival": 0.8}, (True, None, True)),
    "a thin slab": ({"extent_mm": (70.0, 250.0, 350.0)}, (None, None, True)),
    "liver on the left": (
        {"core_ml": (400.0, 50.0), "core_offset_mm": -60.0},
        (True, True, False),
    ),
    "tissue on both sides": ({"core_ml": (200.0, 400.0)}, (True, True, None)),
    "little tissue": ({"core_ml": (0.0, 50.0)}, (True, True, None)),
    "tissue near the spine": ({"core_offset_mm": 15.0}, (True, True, None)),
    "lungs below": ({"lung_at": 0.1}, (False, True, True)),
    "a chest, lungs all along it": ({"lung_at": 0.55}, (None, True, True)),
    "lungs up, tissue above": ({"lung_at": 0.7, "core_at": 0.95}, (None, True, True)),
    "no lungs, the liver up": ({"lung_ml": 10.0, "core_at": 0.8}, (True, True, True)),
    "no lungs, the liver down": ({"lung_ml": 10.0, "core_at": 0.2}, (False, True, True)),
    "no lungs, the liver amid": ({"lung_ml": 10.0, "core_at": 0.6}, (None, True, True)),
    "no lungs, a narrow view": (
        {"lung_ml": 10.0, "core_at": 0.2, "left_right": NO_SKIN},
        (None, True, True),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_landmark_decides_its_axis_or_leaves_it_open(name):
    change, expected = CHANGES[name]
    found = axes_of(replace(TRUE, **change))
    assert found.agrees == expected
    assert (found.doubt != "") is (False in expected)


def test_the_axis_of_the_body_must_be_clear():
    along = (0.3, 0.9, 0.3)
    turned = replace(TRUE, bone_share=along, end_share=(0.1, 0.6, 0.1))
    assert "the spine runs from back to front" in axes_of(turned).doubt
    assert axes_of(replace(turned, end_share=(0.5, 0.6, 0.1))).runs_along is None
    assert axes_of(replace(turned, bone_share=(0.8, 0.9, 0.3))).runs_along is None
    assert axes_of(replace(turned, extent_mm=(250.0, 120.0, 350.0))).runs_along is None


def test_a_spine_at_one_side_means_exchanged_axes_where_the_outline_is_in_view():
    aside = replace(TRUE, front_back=EVEN, left_right=SKIN)
    assert "lies at one side: its axes are exchanged" in axes_of(aside).doubt
    assert axes_of(replace(aside, left_right=NO_SKIN)).doubt == ""
    assert axes_of(replace(aside, front_back=SKIN)).doubt == ""


WORDS = {
    (True, False, False): "turned by 180 degrees about the body's axis",
    (False, True, False): "turned by 180 degrees about the front-back axis",
    (False, False, True): "turned by 180 degrees about the left-right axis",
    (True, True, False): "mirrored, or it is a situs inversus",
    (True, False, True): "the patient is mirrored",
    (False, False, False): "the patient is mirrored",
    (None, False, False): "turned or mirrored",
    (True, True, True): "",
    (None, None, True): "",
}


@pytest.mark.parametrize("agrees", WORDS)
def test_an_even_number_of_wrong_axes_is_a_turn(agrees):
    doubt = BodyAxes(0, lies_across=False, agrees=agrees).doubt
    assert doubt.endswith(WORDS[agrees])
    assert bool(doubt) is bool(WORDS[agrees])


@pytest.mark.parametrize("flip", FLIPS, ids=flip_name)
def test_every_flip_of_a_trunk_is_named(flip):
    found = body_axes(flipped(IMAGE, flip), SPACING)
    assert found.agrees == tuple(not mirrored for mirrored in flip)
    assert found.runs_along == 0


@pytest.mark.parametrize("order", [o for o in permutations(range(3)) if o != (0, 1, 2)])
def test_exchanged_axes_of_a_trunk_are_noticed(order):
    spacing = tuple(SPACING[axis] for axis in order)
    assert "exchanged" in body_axes(IMAGE.transpose(order), spacing).doubt


def test_landmarks_lie_where_the_trunk_was_drawn():
    seen = body_landmarks(IMAGE, SPACING)
    assert seen is not None
    assert seen.extent_mm == (220.0, 240.0, 336.0)
    assert seen.front_back[0].distance_mm < seen.front_back[1].distance_mm
    assert abs(seen.left_right[0].distance_mm - seen.left_right[1].distance_mm) <= 12
    assert seen.lung_at > 0.85
    assert seen.bone_share[0] == 1


@pytest.mark.parametrize(
    "image",
    [
        np.full((20, 30, 30), -1000, np.int16),
        np.full((20, 30, 30), 40, np.int16),
        np.full((20, 30, 30), np.nan, np.float32),
        np.full((20, 30, 30), 1000, np.int16),
        IMAGE[:4],
        np.random.default_rng(0).normal(0, 300, (30, 40, 40)).astype(np.float32),
    ],
    ids=["air", "water", "NaN", "bone", "few slices", "noise"],
)
def test_what_shows_no_body_gives_no_doubt(image):
    assert body_axes(image, SPACING).doubt == ""


@pytest.mark.parametrize("flip", [f for f in FLIPS if f != AS_IT_IS], ids=flip_name)
@pytest.mark.parametrize("name", ["ts_example", "ts_s0009"])
def test_patients_are_upright_and_their_flips_are_noticed(shared_data, name, flip):
    scan = read_nifti(shared_data / "ct" / name / "image.nii.gz")
    order = axis_order(scan.affine)
    image, spacing = to_canonical(scan.array, order), spacing_dhw(scan.affine, order)
    assert body_axes(image, spacing).doubt == ""
    found = body_axes(flipped(image, flip), spacing)
    for agrees, mirrored in zip(found.agrees, flip, strict=True):
        assert agrees in (None, not mirrored)
    if name == "ts_example":
        assert found.doubt
