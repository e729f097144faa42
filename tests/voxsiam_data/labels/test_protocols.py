import numpy as np
import pytest

from tests.nifti_files import ALL_AXES, ras_affine, reoriented
from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.nifti import Scan
from voxsiam_data.labels.protocols import PROTOCOLS, organ_labels, protocol

# The values of spleen, left kidney, gallbladder, oesophagus, liver, stomach, pancreas, duodenum.
VALUES = {
    "voxsiam": (1, 2, 3, 4, 5, 6, 7, 8),
    "zenodo": (1, 3, 4, 5, 6, 7, 11, 14),
    "btcv": (1, 3, 4, 5, 6, 7, 11, None),
    "amos22": (1, 3, 4, 5, 6, 7, 10, 13),
    "flare22": (3, 13, 9, 10, 1, 11, 4, 12),
    "totalsegmentator-v1": (1, 3, 4, 42, 5, 6, 10, 56),
    "totalsegmentator-v2": (1, 3, 4, 15, 5, 6, 7, 19),
    "word": (2, 3, 6, 7, 1, 5, 8, 9),
}
SIZES = {
    "voxsiam": 8,
    "zenodo": 14,
    "btcv": 13,
    "amos22": 15,
    "flare22": 13,
    "totalsegmentator-v1": 104,
    "totalsegmentator-v2": 117,
    "word": 16,
}
# Some of the others: a list with one entry too many or too few shifts all that follow.
OTHERS = {
    "zenodo": {2: "right_kidney", 8: "aorta", 10: "portal_and_splenic_vein"},
    "amos22": {9: "inferior_vena_cava", 12: "left_adrenal_gland", 15: "prostate_or_uterus"},
    "flare22": {2: "right_kidney", 6: "inferior_vena_cava", 8: "left_adrenal_gland"},
    "word": {4: "right_kidney", 11: "intestine", 16: "right_head_of_femur"},
    "totalsegmentator-v1": {
        17: "lung_lower_lobe_right",
        18: "vertebrae_L5",
        41: "vertebrae_C1",
        54: "iliac_vena_right",
        58: "rib_left_1",
        81: "rib_right_12",
        91: "hip_right",
        104: "urinary_bladder",
    },
    "totalsegmentator-v2": {
        14: "lung_lower_lobe_right",
        23: "kidney_cyst_left",
        26: "vertebrae_S1",
        50: "vertebrae_C1",
        61: "atrial_appendage_left",
        78: "hip_right",
        92: "rib_left_1",
        117: "costal_cartilages",
    },
}


def scan(array, path="case.nii.gz"):
    from pathlib import Path

    return Scan(Path(path), np.asarray(array), ras_affine())


def test_the_list_is_complete():
    assert PROTOCOLS.keys() == VALUES.keys() == SIZES.keys()
    assert all(name == one.name for name, one in PROTOCOLS.items())


@pytest.mark.parametrize("name", VALUES)
def test_each_organ_has_its_value(name):
    one = protocol(name)
    assert list(one.names) == list(range(1, SIZES[name] + 1))
    expected = {value: ours for ours, value in enumerate(VALUES[name], start=1) if value}
    assert {value: ours for value, ours in one.values_for().items() if ours} == expected
    assert one.values_for().keys() == {0, *one.names}
    assert len(set(one.names.values())) == len(one.names)


@pytest.mark.parametrize("name", OTHERS)
def test_the_others_stand_in_their_places(name):
    assert {value: protocol(name).names[value] for value in OTHERS[name]} == OTHERS[name]


def test_only_the_original_btcv_lacks_an_organ():
    assert {name: one.lacking() for name, one in PROTOCOLS.items() if one.lacking()} == {
        "btcv": ("duodenum",)
    }


@pytest.mark.parametrize(
    ("name", "fix"),
    [("amos", "amos22"), ("totalsegmentator", "totalsegmentator-v"), ("ours", "use one of: vox")],
)
def test_an_unknown_protocol_names_the_nearest(name, fix):
    with pytest.raises(UserError, match=f"no label protocol '{name}'") as caught:
        protocol(name)
    assert fix in caught.value.fix


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("name", VALUES)
def test_values_become_ours_whatever_their_type(name, dtype):
    values = np.zeros((5, 5, 5), dtype)
    places = [(i, i // 2, i % 3) for i in range(5)]
    known = [value for value in VALUES[name] if value][:5]
    for place, value in zip(places, known, strict=True):
        values[place] = value
    renamed = organ_labels(scan(values), protocol(name))
    assert renamed.dtype == np.uint8
    for place, value in zip(places, known, strict=True):
        assert renamed[place[::-1]] == VALUES[name].index(value) + 1
    assert np.count_nonzero(renamed) == 5


def test_structures_without_a_place_of_ours_become_background():
    assert not organ_labels(scan(np.full((2, 3, 4), 8, np.uint8)), protocol("amos22")).any()


def test_the_result_lies_in_d_h_w_for_every_axis_order():
    values = np.random.default_rng(0).integers(0, 14, (3, 4, 5)).astype(np.uint8)
    expected = organ_labels(scan(values), protocol("flare22"))
    for axes, signs in ALL_AXES:
        stored, affine = reoriented(values, ras_affine(), axes, signs)
        turned = Scan(scan(values).path, stored, affine)
        np.testing.assert_array_equal(organ_labels(turned, protocol("flare22")), expected)


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [
        (9, np.uint8, "9 (3 voxels)"),
        (255, np.uint8, "255 (3 voxels)"),
        (-1, np.int16, "-1 (3 voxels)"),
        (2**40 + 1, np.int64, "1.09951163e+12 (3 voxels)"),
        (2**64 - 1, np.uint64, "1.84467441e+19 (3 voxels)"),
        (0.9999, np.float32, "0.999899983 (3 voxels)"),
        (0.5, np.float64, "0.5 (3 voxels)"),
        (8.0000001, np.float64, "8.0000001 (3 voxels)"),
        (np.nan, np.float32, "nan (3 voxels)"),
        (np.inf, np.float32, "inf (3 voxels)"),
        (-np.inf, np.float64, "-inf (3 voxels)"),
    ],
)
def test_values_out_of_the_protocol_are_refused(value, dtype, shown):
    array = np.zeros((3, 4, 5), dtype)
    array[1, 2, 3] = 5
    array[0, :3, 0] = value
    with pytest.raises(UserError, match="'voxsiam' does not know") as caught:
        organ_labels(scan(array, "liver case.nii.gz"), protocol("voxsiam"))
    assert shown in caught.value.what
    assert caught.value.where == "liver case.nii.gz"
    assert "0 to 8" in caught.value.fix


def test_many_unknown_values_are_not_all_listed():
    array = np.arange(1000, dtype=np.int16).reshape(10, 10, 10)
    with pytest.raises(UserError, match=r"9 \(1 voxels\), .* and 986 more") as caught:
        organ_labels(scan(array), protocol("voxsiam"))
    assert len(caught.value.what) < 200


def test_a_prediction_that_found_nothing_is_fine():
    assert not organ_labels(scan(np.zeros((2, 2, 2), np.uint8)), protocol("word")).any()


def test_organs_are_ours():
    found = {name for one in PROTOCOLS.values() for name in one.lacking()}
    assert found <= set(PAPER_ORGANS)


def test_all_that_a_protocol_labels_become_classes_in_the_order_of_its_values(tmp_path):
    assert len(protocol("amos22").classes("all")) == 15
    whole = protocol("totalsegmentator-v1").meaning("all", tmp_path)
    assert len(whole.organs) == 104
    # Our names for the organs that we know, the tool's for the others.
    assert whole.organs[:3] == ("spleen", "kidney_right", "left_kidney")
    assert "rib_left_1" in whole.organs
    assert whole.values == {0: 0} | {value: value for value in range(1, 105)}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_structure_is_found_again_by_its_label(name):
    one = protocol(name)
    organs = one.classes("all")
    assert len(set(organs)) == len(one.names)
    if organs != PAPER_ORGANS:
        assert one.values_for(organs) == {0: 0} | {value: value for value in one.names}


def test_classes_can_be_chosen_in_any_order(tmp_path):
    found = protocol("amos22").meaning(("Kidney right", "liver"), tmp_path)
    assert found.organs == ("right_kidney", "liver")  # as the protocol calls them
    assert {value: ours for value, ours in found.values.items() if ours} == {2: 1, 6: 2}


@pytest.mark.parametrize(
    ("choice", "words", "fix"),
    [
        (("liver", "livers"), "hold no 'livers'", "liver"),
        (("spleen", "Spleen"), "'spleen' is named twice", "once"),
        (("heart",), "'amos22' hold no 'heart'", "did you mean"),
    ],
)
def test_organs_that_are_not_labelled_are_refused(choice, words, fix, tmp_path):
    with pytest.raises(UserError, match=words) as caught:
        protocol("amos22").meaning(choice, tmp_path)
    assert caught.value.where == "--organs"
    assert fix in caught.value.fix
