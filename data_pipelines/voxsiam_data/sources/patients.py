"""patients.csv: which cases belong to one patient, and where they come from."""

from dataclasses import replace
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam_data.manifest import Case
from voxsiam_data.text_files import read_csv_rows

FILE_NAME = "patients.csv"


def group_by_patient(cases: tuple[Case, ...], root: Path) -> tuple[Case, ...]:
    """Fill in patients from `root/patients.csv`; without it every case is its own patient.

    The table has the columns case_id and patient_id, and may have source. It must name every
    case; it may name others.
    """
    path = root / FILE_NAME
    if not path.exists():
        return cases
    table = _rows_by_case(path)
    absent = sorted(case.case_id for case in cases if case.case_id not in table)
    if absent:
        raise UserError(
            f"{len(absent)} cases are not in the table, first '{absent[0]}'.",
            where=str(path),
            fix="add a line 'case_id,patient_id' for each case",
        )
    return tuple(_filled(case, table[case.case_id]) for case in cases)


def _rows_by_case(path: Path) -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for row in read_csv_rows(path, ("case_id", "patient_id")):
        if table.setdefault(row["case_id"], row) != row:
            raise UserError(
                f"Case '{row['case_id']}' stands in two lines that differ.",
                where=str(path),
                fix="keep one of them",
            )
    return table


def _filled(case: Case, row: dict[str, str]) -> Case:
    return replace(case, patient_id=row["patient_id"], source=row.get("source") or case.source)
