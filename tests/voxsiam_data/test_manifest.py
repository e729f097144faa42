from pathlib import Path

import pytest

from tests.nifti_files import label_map
from voxsiam.errors import UserError
from voxsiam_data.manifest import Case, Manifest


def case(case_id):
    return Case(case_id, "p", Path("i"), label_map(Path("l")), "s")


def test_keeps_its_cases():
    assert len(Manifest((case("a"), case("b")), Path("x")).cases) == 2


def test_no_cases():
    with pytest.raises(UserError, match="no cases") as caught:
        Manifest((), Path("x"))
    assert caught.value.where == "x"


def test_duplicate_ids():
    with pytest.raises(UserError, match="2 case ids occur more than once, first 'a'"):
        Manifest((case("b"), case("a"), case("c"), case("a"), case("b")), Path("x"))
