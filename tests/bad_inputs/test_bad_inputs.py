"""Every row of the tables, through the program as a user starts it."""

import re
import signal
import sys
from contextlib import nullcontext

import pytest

from tests.bad_inputs.document import DATA_SETS, DOCUMENT, ELSEWHERE, REPOSITORY, SUITES, document
from tests.bad_inputs.row import Row, Suite
from tests.voxsiam.inference.small_models import write_random_model
from voxsiam_cli.app import main


def each_row(suites):
    return [pytest.param(suite, row, id=str(row)) for suite in suites for row in suite.rows]


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


@pytest.mark.parametrize(("suite", "row"), each_row(SUITES))
def test_the_promise_is_kept(tmp_path, monkeypatch, model, program, suite: Suite, row: Row):
    (tmp_path / "model").symlink_to(model)
    monkeypatch.chdir(tmp_path)
    suite.prepare(tmp_path)
    row.change(tmp_path)
    require(row, *program(*suite.command))


@pytest.mark.parametrize(("suite", "row"), each_row(DATA_SETS))
def test_the_promise_is_kept_for_data_sets(
    tmp_path, monkeypatch, ray_instance, program, suite: Suite, row: Row
):
    """As `voxsiam data prepare`, in the one Ray of the tests instead of its own."""
    monkeypatch.setattr("voxsiam_cli.data.prepared.ray_instance", nullcontext)
    monkeypatch.chdir(tmp_path)
    suite.prepare(tmp_path)
    row.change(tmp_path)
    require(row, *program(*suite.command))
    assert not (tmp_path / "ran").exists()


def test_the_document_is_the_table():
    assert DOCUMENT.read_text() == document(), "python -m tests.bad_inputs.document"


def test_every_hazard_has_a_row():
    tried = {row.number for suite in (*SUITES, *DATA_SETS) for row in suite.rows}
    assert tried | {entry.number for entry in ELSEWHERE} == {f"B{n}" for n in range(1, 21)}


@pytest.mark.parametrize("entry", ELSEWHERE, ids=lambda entry: entry.name)
def test_what_other_tests_hold_is_there(entry):
    file, name = entry.test.split("::")
    assert f"def {name}(" in (REPOSITORY / file).read_text()
