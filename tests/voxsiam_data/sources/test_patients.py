import pytest

from voxsiam.errors import UserError
from voxsiam_data.sources.detect import read_source


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
def test_bad_table(case_folders, table, words):
    (case_folders / "patients.csv").write_text(table)
    with pytest.raises(UserError, match=words) as caught:
        read_source(case_folders)
    assert caught.value.where.endswith("patients.csv")


def test_table_that_is_no_text(case_folders):
    (case_folders / "patients.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="UTF-8"):
        read_source(case_folders)
