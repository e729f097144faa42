"""The simulations at a small size: coverage, error and power within their bounds.

Few draws leave chance, which the programs allow for (three deviations). What is kept on the page
docs/simulations.md was drawn by `make simulate`.
"""

import re
import subprocess
import sys

import pytest

from tests.test_architecture import ROOT

FOLDER = ROOT / "platform" / "simulations"
PAGE = ROOT / "docs" / "simulations.md"


def run(program, draws):
    return subprocess.run(
        [sys.executable, FOLDER / program, "--draws", str(draws)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("program", "draws"), [("intervals.py", 250), ("tables.py", 120)])
def test_coverage_error_and_power_stay_within_their_bounds(program, draws):
    done = run(program, draws)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("| --- |") >= 2


def test_the_kept_page_is_that_of_these_programs():
    """The same tables with the same lines; figures are those of many more draws."""
    done = run("all.py", 1)
    # One draw leaves no bounds, and never ends in an error of the program itself.
    assert "Traceback" not in done.stderr
    assert lines_of(PAGE.read_text()) == lines_of(done.stdout)


def lines_of(page):
    """What a line of a table is about, without the shares."""
    return [re.sub(r"\| [01]\.\d{3}(?= \|)", "", line) for line in page.splitlines() if "|" in line]


def test_the_page_says_what_the_product_promises():
    """Every line of ours with an interval that is said to hold lies in 0.91 to 0.99."""
    text = PAGE.read_text()
    errors = [
        float(line.split("|")[6])
        for line in text.splitlines()
        if re.match(r"\| \d+ \| \d+ \| \d+ \| [\d.]+ \| \w+.* \| 0\.\d{3} \| 0\.\d{3} \|", line)
    ]
    assert len(errors) == 3 * 2 * 3 * 4 * 2
    assert max(errors) <= 0.06
