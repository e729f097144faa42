import csv
from dataclasses import asdict, replace

import pytest

from voxsiam.metrics.organ_score import OrganScore
from voxsiam_cli.model.score_tables import csv_text

NAN = float("nan")
FIGURES = (0.5, 1.0, NAN, 2.0, NAN, 7, 9, False, 0.25, 3.0, 4.0, 8, 6, True)
SCORE = OrganScore("anna", "liver", *FIGURES)


def test_every_figure_stands_in_the_file_as_it_is():
    (line,) = csv.DictReader(csv_text([SCORE]).splitlines())
    assert line == {name: str(value) for name, value in asdict(SCORE).items()}


@pytest.mark.parametrize("name", ["=1+1", "+a", "-b", "@c", " =1+1"])
def test_no_name_of_a_case_becomes_a_formula(name):
    (line,) = csv.DictReader(csv_text([replace(SCORE, case_id=name)]).splitlines())
    assert line["case_id"] == f"'{name}"
