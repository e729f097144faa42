import inspect

import numpy as np
import pytest

import voxsiam_api
from tests.nifti_files import write_scan
from voxsiam.errors import UserError
from voxsiam.metrics.scoring_rules import DistanceConfig
from voxsiam_api import evaluate
from voxsiam_cli.model import evaluate as command

AFFINE = np.diag([2.0, 1.0, 1.0, 1.0])


@pytest.fixture
def sides(tmp_path):
    """Two cases of one spleen; in the second a voxel is missing, which is 2 mm wide."""
    for name, shift in (("a", 0), ("b", 1)):
        label = np.zeros((8, 6, 6), np.uint8)
        label[1:5, 1:5, 1:5] = 1
        write_scan(tmp_path / "ref" / f"{name}.nii.gz", label, AFFINE)
        label[:, :, :] = 0
        label[1 + shift : 5, 1:5, 1:5] = 1
        write_scan(tmp_path / "pred" / f"{name}.nii.gz", label, AFFINE)
    return tmp_path / "pred", tmp_path / "ref"


def test_scores_are_a_tidy_table(sides):
    found = evaluate(*map(str, sides), organs=["spleen"])
    scores = found.scores
    assert list(scores["case_id"]) == ["a", "b"]
    assert list(scores["organ"]) == ["spleen", "spleen"]
    assert list(scores["dsc_native"]) == [1, pytest.approx(2 * 3 / (3 + 4))]
    assert list(scores["hd95_mm_native"]) == [0, 2]
    assert scores["dsc"].isna().tolist() == [True, True]
    assert found.comparison.rules.organs == ("spleen",)


def test_settings_are_those_of_the_command(sides):
    """Every option of the command but what it prints and writes has an argument here."""
    ours, theirs = (inspect.signature(f).parameters for f in (evaluate, command.evaluate))
    renamed = {"organ": "organs", "grid": "grid_dhw", "ignore": "ignored"}
    printed = {"output", "as_json"}
    asked = {renamed.get(name, name) for name in theirs if name not in printed}
    assert asked - {"hd95", "assd"} | {"distances", "on_case"} == set(ours)
    larger = DistanceConfig(hd95="larger_directed")
    assert evaluate(*sides, distances=larger).comparison.rules.distances == larger


def test_bad_input_is_refused_as_by_the_command(sides):
    (sides[0] / "b.nii.gz").unlink()
    with pytest.raises(UserError, match="The cases do not match"):
        evaluate(*sides)


def test_all_that_is_offered_is_documented():
    offered = dir(voxsiam_api)
    assert set(offered) == {
        "Evaluation",
        "OpenedStudy",
        "OpenedWorkspace",
        "evaluate",
        "open_workspace",
    }
    assert all(getattr(voxsiam_api, name).__doc__ for name in offered)
