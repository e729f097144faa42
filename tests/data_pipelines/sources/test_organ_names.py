import pytest

from data_pipelines.sources.organ_names import organ_value
from voxsiam.types import ORGANS


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
