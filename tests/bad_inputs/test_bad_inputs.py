"""Every row of the tables, through the program as a user starts it."""

import re
import signal
import sys

import pytest

from tests.bad_inputs import scans
from tests.bad_inputs.row import Row, Suite
from tests.voxsiam.inference.small_models import write_random_model
from voxsiam_cli.app import main

SUITES = (scans.SUITE, scans.NAMES)
ROWS = [pytest.param(suite, row, id=f"{row}") for suite in SUITES for row in suite.rows]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def program(monkeypatch, capsys):
    """Run the whole program in this process; return its exit code and what it printed."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["voxsiam", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    yield run
    signal.signal(signal.SIGTERM, handler)


def require(row: Row, code, out, err):
    assert "Traceback" not in out + err
    if row.outcome != "refused":
        assert (code, err) == (0, "")
        assert re.search(row.words, out)
        assert ("warning: ct: " in out or "note" in out) == (row.outcome == "noted"), out
        return
    assert code == 2, (out, err)
    what, where, fix = err.splitlines()
    assert what.startswith("error: ")
    assert re.search(row.words, what)
    assert re.fullmatch(r"  where: \S.*", where)
    assert re.fullmatch(r"  fix:   \S.*", fix)


@pytest.mark.parametrize(("suite", "row"), ROWS)
def test_the_promise_is_kept(tmp_path, monkeypatch, model, program, suite: Suite, row: Row):
    (tmp_path / "model").symlink_to(model)
    monkeypatch.chdir(tmp_path)
    suite.prepare(tmp_path)
    row.change(tmp_path)
    require(row, *program(*suite.command))
