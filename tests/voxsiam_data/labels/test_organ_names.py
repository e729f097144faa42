from pathlib import Path

import pytest

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam_data.labels.organ_names import is_tumour, organ_value, refuse_misspelt
from voxsiam_data.labels.protocols import PROTOCOLS


@pytest.mark.parametrize(("value", "name"), list(enumerate(PAPER_ORGANS, start=1)))
def test_our_own_names(value, name):
    assert organ_value(name) == organ_value(name.upper()) == value


@pytest.mark.parametrize(
    ("name", "organ"),
    [
        ("left kidney", "left_kidney"),
        ("Kidney (L)", "left_kidney"),
        ("kidney_left", "left_kidney"),
        ("LeftKidney", "left_kidney"),
        ("lt. kidney", "left_kidney"),
        ("oesophagus", "esophagus"),
        ("Gall Bladder", "gallbladder"),
        ("gall-bladder", "gallbladder"),
        (" Spleen ", "spleen"),
    ],
)
def test_synonyms(name, organ):
    assert organ_value(name) == PAPER_ORGANS.index(organ) + 1


@pytest.mark.parametrize(
    "name", ["", "kidney", "right kidney", "bladder", "liver tumour", "background", "5", "lever"]
)
def test_other_structures(name):
    assert organ_value(name) is None


@pytest.mark.parametrize(
    ("name", "organ"),
    [
        ("spleeen", "spleen"),
        ("livr", "liver"),
        ("Lever", "liver"),
        ("kidny_left", "left_kidney"),
        ("left_kidneys", "left_kidney"),
        ("galbladder", "gallbladder"),
        ("esophagous", "esophagus"),
        ("stomack", "stomach"),
        ("pancrea", "pancreas"),
        ("duodenm", "duodenum"),
    ],
)
def test_misspelt_names_are_refused(name, organ):
    with pytest.raises(UserError, match="nearly one") as caught:
        refuse_misspelt(name, Path("dataset.json"))
    assert f"'{organ}'" in caught.value.fix


def test_names_of_other_structures_are_not_misspelt_organs():
    names = {name for known in PROTOCOLS.values() for name in known.names.values()}
    more = [
        "kidney",
        "kidneys",
        "bladder",
        "liver tumour",
        "cancer",
        "kidney_tumor",
        "hepatic vein",
    ]
    for name in (*names, *more, "background", "bowel", "pancreatic duct", "lung", "bone", "", "x"):
        refuse_misspelt(name, Path("dataset.json"))


def test_tumours():
    assert all(map(is_tumour, ("cancer", "liver tumour", "Kidney_Tumor", "lesions", "metastasis")))
    assert not any(map(is_tumour, ("liver", "cyst", "hepatic vessel", "")))


LISTS = {name: tuple(PROTOCOLS[name].names.values()) for name in PROTOCOLS}


@pytest.mark.parametrize("name", LISTS)
def test_any_list_of_organs_is_found_by_its_own_names(name):
    organs = LISTS[name]
    for value, organ in enumerate(organs, start=1):
        assert organ_value(organ, organs) == value
        refuse_misspelt(organ, Path("dataset.json"), organs)


def test_words_and_spelling_count_for_any_list():
    organs = LISTS["amos22"]
    value = organ_value("Right Kidney", organs)
    assert value is not None
    assert "kidney" in organs[value - 1]
    words = f"none of the {len(organs)} chosen organs, but nearly"
    with pytest.raises(UserError, match=words) as caught:
        refuse_misspelt("prostrate", Path("dataset.json"), ("prostate", *organs[1:]))
    assert "'prostate'" in caught.value.fix


def test_organs_that_numbers_tell_apart_are_not_guessed():
    organs = ("rib_left_1", "rib_left_2", "liver")
    assert [organ_value(organ, organs) for organ in organs] == [1, 2, 3]
    assert organ_value("Rib Left", organs) is None
