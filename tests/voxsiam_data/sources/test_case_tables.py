import pytest

from voxsiam.errors import UserError
from voxsiam_data.sources.detect import read_source

CROPS = "case_id,i_start,i_stop,j_start,j_stop,k_start,k_stop\n"


def patients(root):
    return {c.case_id: (c.patient_id, c.source) for c in read_source(root).cases}


def test_without_a_table_each_case_is_a_patient(case_folders):
    assert patients(case_folders)["anna"] == ("anna", "clinic")


def test_groups_cases_and_names_sources(case_folders):
    table = "\ufeffcase_id, patient_id,source\nanna,p1,A\nbert,p1,\ncarl,p2,B\nother,p9,C\n"
    (case_folders / "patients.csv").write_text(table.replace(", ", ","), encoding="utf-8")
    assert patients(case_folders) == {
        "anna": ("p1", "A"),
        "bert": ("p1", "clinic"),
        "carl": ("p2", "B"),
    }


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "lacks the column 'case_id'"),
        ("case_id;patient_id\nanna;p1", "lacks the column 'case_id'"),
        ("case_id\nanna", "lacks the column 'patient_id'"),
        ("case_id,patient_id\nanna,p1\nbert,\n", "Line 3 leaves"),
        ("case_id,patient_id\nanna,p1\n", "2 cases are not in the table, first 'bert'"),
        ("case_id,patient_id\nanna,p1\nanna,p2\n", "two lines that differ"),
        ("case_id,patient_id\n" + "a" * 200_000, "not a table"),
    ],
)
def test_bad_table_of_patients(case_folders, table, words):
    (case_folders / "patients.csv").write_text(table)
    with pytest.raises(UserError, match=words) as caught:
        read_source(case_folders)
    assert caught.value.where.endswith("patients.csv")


def test_table_that_is_no_text(case_folders):
    (case_folders / "patients.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="UTF-8"):
        read_source(case_folders)


def boxes(root):
    return {case.case_id: case.crop_box for case in read_source(root).cases}


def test_without_a_table_no_case_has_a_box(case_folders, nnunet_folder):
    assert set(boxes(case_folders).values()) == {None}
    assert set(boxes(nnunet_folder).values()) == {None}


def test_boxes_are_read_in_both_layouts(case_folders, nnunet_folder):
    (case_folders / "crops.csv").write_text(CROPS + "bert,1,19,2,18,3,16\nother,0,1,0,1,0,1\n")
    assert boxes(case_folders) == {"anna": None, "bert": ((1, 19), (2, 18), (3, 16)), "carl": None}
    (nnunet_folder / "crops.csv").write_text(CROPS + "ct_002,0,2,0,3,0,4\n")
    assert boxes(nnunet_folder) == {"ct_001": None, "ct_002": ((0, 2), (0, 3), (0, 4))}


def test_boxes_and_patients_go_together(case_folders):
    (case_folders / "crops.csv").write_text(CROPS + "bert,1,19,2,18,3,16\n")
    table = "case_id,patient_id\nanna,p1\nbert,p1\ncarl,p2\n"
    (case_folders / "patients.csv").write_text(table)
    case = read_source(case_folders).cases[1]
    assert (case.patient_id, case.crop_box) == ("p1", ((1, 19), (2, 18), (3, 16)))


def test_columns_may_stand_in_any_order_with_others(case_folders):
    header = "k_stop,k_start,note,case_id,j_stop,j_start,i_stop,i_start\n"
    (case_folders / "crops.csv").write_text(header + "16,3,x,bert,18,2,19,1\n")
    assert boxes(case_folders)["bert"] == ((1, 19), (2, 18), (3, 16))


def test_the_same_line_twice_is_one(case_folders):
    (case_folders / "crops.csv").write_text(CROPS + 2 * "bert,1,19,2,18,3,16\n")
    assert boxes(case_folders)["bert"] == ((1, 19), (2, 18), (3, 16))


BAD_BOXES = {
    "no header": ("bert,1,19,2,18,3,16\n", "lacks the column"),
    "a column is absent": ("case_id,i_start,i_stop,j_start,j_stop,k_start\n", "'k_stop'"),
    "a cell is empty": (CROPS + "bert,1,,2,18,3,16\n", "Line 2 leaves"),
    "too few cells": (CROPS + "bert,1,19\n", "Line 2 leaves"),
    "negative": (CROPS + "bert,-1,19,2,18,3,16\n", "not six whole numbers"),
    "fraction": (CROPS + "bert,1.5,19,2,18,3,16\n", "not six whole numbers"),
    "word": (CROPS + "bert,left,19,2,18,3,16\n", "not six whole numbers"),
    "huge": (CROPS + f"bert,{'9' * 5000},19,2,18,3,16\n", "not six whole numbers"),
    "empty box": (CROPS + "bert,19,19,2,18,3,16\n", "is empty"),
    "start behind stop": (CROPS + "bert,1,19,18,2,3,16\n", "is empty"),
    "two boxes": (
        CROPS + "bert,1,19,2,18,3,16\nbert,2,19,2,18,3,16\n",
        "two boxes that differ",
    ),
}


@pytest.mark.parametrize("name", BAD_BOXES)
def test_bad_table_of_boxes(case_folders, name):
    table, words = BAD_BOXES[name]
    (case_folders / "crops.csv").write_text(table)
    with pytest.raises(UserError, match=words) as caught:
        read_source(case_folders)
    assert caught.value.where == str(case_folders / "crops.csv")
    assert len(str(caught.value)) < 400
