from pathlib import Path

import pytest

from voxsiam.errors import UserError
from voxsiam.types import ORGANS
from voxsiam_data.labels.organ_names import is_tumour, organ_value, refuse_misspelt
from voxsiam_data.labels.protocols import PROTOCOLS


@pytest.mark.parametrize(("value", "name"), list(enumerate(ORGANS, start=1)))
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
    assert organ_value(name) == ORGANS.index(organ) + 1


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
