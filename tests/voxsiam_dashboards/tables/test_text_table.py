import pytest

from voxsiam_dashboards.tables.row_tests import between
from voxsiam_dashboards.tables.text_table import defused


@pytest.mark.parametrize(
    "figure",
    [
        "-", "+0.083", "-3", "-1.5e-05", "+12%", "-inf", "nan", "-0.5 ± 0.1",
        "+0.083 [+0.012, +0.154]", "+0.083 [-0.012, +0.154]*", "-0.200 ± 0.010 [-0.300, -0.100]",
        "liver", "a-b", "0.5 [0.1, 0.9]", "",
    ],
)  # fmt: skip
def test_figures_and_plain_texts_stay_as_they_are(figure):
    assert defused(figure) == figure


@pytest.mark.parametrize(
    "formula",
    [
        "=1", "=SUM(A1:A9)", "+SUM(1)", "-2+3", "-1-1", "@A1", "\t=1", "\r=1", "  =1", "+1|calc!A0",
        "-1 [=A1, 2]", "+0.1 [0.2, 0.3]+1", "--1", "+", "-A1", "-1e5()", "+1\n=2",
        "+\u0661",
    ],
)  # fmt: skip
def test_formulas_are_disarmed(formula):
    assert defused(formula) == f"'{formula}"


def test_intervals_as_tables_write_them_are_figures():
    from voxsiam.statistics.interval import Interval

    for patients in (3, 300):
        text = f"{0.083:+.3f}{between(Interval(-0.01, 0.2), patients, '+')}"
        assert defused(text) == text
