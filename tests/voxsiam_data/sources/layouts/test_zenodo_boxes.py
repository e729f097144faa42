from dataclasses import replace

import pytest

from tests.source_miniatures import write_btcv, write_pancreas_ct
from voxsiam.errors import UserError
from voxsiam_data.sources.detect import find_source
from voxsiam_data.sources.layouts.paper import PaperFolders, find_paper_cases
from voxsiam_data.sources.layouts.zenodo_boxes import with_zenodo_boxes

HEADER = (
    "id,publisher,dataset,original_id,extent_left,extent_right,extent_ant,extent_post,"
    "extent_inf,extent_sup\n"
)
# The organs of the miniature lie in 4-28, 4-20, 4-19 of 32, 28, 20 voxels.
TIGHT = "1,Synapse,BTCV,{},4,28,8,24,4,19\n"


@pytest.fixture
def root(tmp_path):
    return write_btcv(tmp_path / "btcv")


def boxes(root, text):
    (root / "cropping.csv").write_text(HEADER + text)
    found = with_zenodo_boxes(find_source(root), root)
    return {case.case_id: case.crop_box for case in found.manifest.cases}, found.notes[1:]


def test_the_second_axis_counts_from_its_other_end(root):
    found, notes = boxes(root, TIGHT.format("0002"))
    assert found == {
        "BTCV_0001": None,
        "BTCV_0002": ((4, 28), (4, 20), (4, 19)),
        "BTCV_0061": None,
    }
    assert notes == ()


@pytest.mark.parametrize(
    "line",
    [
        "1,Synapse,BTCV,2,5,28,8,24,4,19\n",
        "1,Synapse,BTCV,2,4,27,8,24,4,19\n",
        "1,Synapse,BTCV,2,4,28,9,24,4,19\n",
        "1,Synapse,BTCV,2,4,28,8,23,4,19\n",
        "1,Synapse,BTCV,2,4,28,8,24,5,19\n",
        "1,Synapse,BTCV,2,4,28,8,24,4,18\n",
        "1,Synapse,BTCV,2,9,9,9,9,9,9\n",
    ],
)
def test_a_box_that_cuts_an_organ_is_ignored(root, line):
    found, notes = boxes(root, line)
    assert found["BTCV_0002"] is None
    assert notes == ("BTCV_0002 is not cropped: its box does not hold its organs",)


def test_ends_in_either_order_and_beyond_the_scan(root):
    found, _ = boxes(root, "1,Synapse,BTCV,61,99,0,99,0,20.0,0\n")
    assert found["BTCV_0061"] == ((0, 32), (0, 28), (0, 20))


def test_pancreas_ct_keeps_its_whole_scans(root):
    write_pancreas_ct(root, (2,))
    (root / "cropping.csv").write_text(HEADER + "1,TCIA,x,2,4,28,8,24,4,19\n" + TIGHT.format(1))
    folders = PaperFolders(root, root, root)
    found = with_zenodo_boxes(find_paper_cases(folders, allow_missing=True), root)
    cropped = {case.case_id for case in found.manifest.cases if case.crop_box}
    assert cropped == {"BTCV_0001"}
    assert found.notes[-1] == "the boxes of Pancreas-CT in cropping.csv are not used"


def test_what_the_data_set_is_called_stays(root):
    (root / "cropping.csv").write_text(HEADER + TIGHT.format("0002"))
    found = find_source(root)
    named = replace(found, manifest=replace(found.manifest, name="BTCV", kind="semi-synthetic"))
    boxed = with_zenodo_boxes(named, root).manifest
    assert boxed == replace(named.manifest, cases=boxed.cases)
    assert any(case.crop_box for case in boxed.cases)


def test_without_a_table_nothing_changes(root):
    found = find_source(root)
    assert with_zenodo_boxes(found, root) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,publisher\n1,Synapse\n", "lacks the column 'original_id'"),
        (HEADER + "1,Synapse,x,1,a,28,8,24,4,19\n", "no number"),
        (HEADER + "1,Synapse,x,1,-4,28,8,24,4,19\n", "no number"),
        (HEADER + "1,Synapse,x,1,9999999,28,8,24,4,19\n", "no number"),
        (HEADER + "1,Synapse,x,,4,28,8,24,4,19\n", "leaves a column empty"),
    ],
)
def test_bad_tables(root, text, words):
    (root / "cropping.csv").write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        with_zenodo_boxes(find_source(root), root)
    assert caught.value.where == str(root / "cropping.csv")
