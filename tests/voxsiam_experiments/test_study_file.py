"""Files that declare a study: those that run, and those that are refused before anything else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.studies.table import Row, Table
from voxsiam.training.recipe import Recipe
from voxsiam_experiments import study_file, unet3d, vnet, voxel_simsiam
from voxsiam_experiments.studies import STUDIES, differing_rows
from voxsiam_experiments.study_file import load_table, write_example

START = "from voxsiam_experiments import Row, Table, unet3d, vnet\n"


def table(**changes):
    """A table of two rows, as a line of a file."""
    fields = {"name": '"mine"', "title": '"A title"', "rows": '(Row(label="a", recipe=unet3d()),)'}
    return f"Table({', '.join(f'{n}={v}' for n, v in (fields | changes).items())})\n"


@pytest.fixture
def write(tmp_path):
    def in_file(text):
        path = tmp_path / "mine.py"
        path.write_text(START + text)
        return path

    return in_file


def test_the_example_runs_and_is_named_after_its_file(tmp_path):
    path = tmp_path / "Livers_2.py"
    write_example(path)
    found = load_table(path)
    assert (found.name, found.file, found.number) == ("Livers_2", "Livers_2.py", "")
    assert len(found.rows) == 4
    assert not found.has_printed
    assert found.partner(found.rows[3]) == "SimSiam"
    assert "Livers_2" in path.read_text()
    with pytest.raises(UserError, match="cannot be written"):
        write_example(path)


@pytest.mark.parametrize("name", ["study", "a b.py", ".py", "1.py", "a.txt", "é.py", "a/../b c.py"])
def test_names_that_are_none_for_a_study(tmp_path, name):
    with pytest.raises(UserError, match="no name for a study file"):
        write_example(tmp_path / name)


def test_what_is_imported_from_the_paper_is_no_table_of_the_file(write):
    path = write(
        "from voxsiam_experiments.table3 import TABLE as PAPER\n"
        f"MINE = {table(rows='(*PAPER.rows, Row(label=chr(97), recipe=vnet()))')}"
        "SAME = MINE\n"
    )
    assert [row.label for row in load_table(path).rows][-1] == "a"


BAD = {
    "a syntax error": ("x = (\n", "line 2: '\\(' was never closed"),
    "no table": ("x = 1\n", "declares no table"),
    "two tables": (
        f"A = {table()}B = {table(name=chr(34) + 'other' + chr(34))}",
        "declares 2 tables",
    ),
    "two rows of one name": (
        f"A = {table(rows='(Row(label=chr(97), recipe=unet3d()),) * 2')}",
        "line 2: .*two rows are called 'a'",
    ),
    "no rows": (f"A = {table(rows='()')}", "rows: .*at least 1 item"),
    "a missing module": ("import not_there_at_all\n", "line 2: ModuleNotFoundError: .*not_there"),
    "an error": ("1 / 0\n", "line 2: ZeroDivisionError"),
    "an end": ("raise SystemExit(0)\n", "line 2: SystemExit"),
    "a field that is none": (f"A = {table(colour='1')}", "Table: colour: "),
    "a recipe that is not called": (
        f"A = {table(rows='(Row(label=chr(97), recipe=unet3d),)')}",
        r"call it: recipe=voxel_simsiam\(\)",
    ),
    "a partner that is none": (
        f"A = {table(rows='(Row(label=chr(97), recipe=unet3d(), compared_with=chr(98)),)')}",
        "'a' is compared with 'b', which is no row",
    ),
    "a folder's name": (f"A = {table(name=chr(34) + '../x' + chr(34))}", "is not of letters"),
    "a name of ours": (f"A = {table(name=chr(34) + 'table3' + chr(34))}", "'table3' is taken"),
    "a name of a sweep": (f"A = {table(name=chr(34) + 'sweep-a' + chr(34))}", "'sweep-a' is taken"),
    "a label of two lines": (
        f"A = {table(rows='(Row(label=chr(97) + chr(10) + chr(98), recipe=unet3d()),)')}",
        "is not of one line",
    ),
    "no share": (
        f"A = {table(rows='(Row(label=chr(97), recipe=unet3d(), label_fraction=0),)')}",
        "label_fraction: .*greater than 0",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_three_lines(write, name):
    text, words = BAD[name]
    path = write(text)
    with pytest.raises(UserError, match=words) as caught:
        load_table(path)
    assert caught.value.where == str(path)
    assert str(caught.value).count("\n") == 2
    assert caught.value.fix


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "bytes.py").write_bytes(b"\x00\xff")
    (tmp_path / "huge.py").write_bytes(b"#" * (2**20 + 1))
    for name in ("absent.py", "folder.py", "pipe.py", "bytes.py", "huge.py"):
        with pytest.raises(UserError):
            load_table(tmp_path / name)


def test_a_file_that_does_not_end_is_interrupted(write, monkeypatch):
    monkeypatch.setattr(study_file, "LONGEST_S", 0.2)
    with pytest.raises(UserError, match=r"has not ended after 0\.2 s"):
        load_table(write("while True:\n    pass\n"))
    assert load_table(write(f"A = {table()}")).name == "mine"


def test_the_command_line_refuses_it_with_2_before_anything_is_made(write, tmp_path):
    path = write("x = 1\n")
    command = [sys.executable, "-m", "voxsiam_cli", "study", "run", str(path), "-w", "workspace"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "declares no table" in ended.stdout + ended.stderr
    assert not (tmp_path / "workspace").exists()


def make(*rows, **changes):
    return Table(**({"name": "mine", "title": "t", "rows": rows} | changes))


def test_what_differs_between_two_declarations():
    old = make(Row(label="a", recipe=unet3d()), Row(label="b", recipe=voxel_simsiam(layers=2)))
    assert differing_rows(old, old.model_copy(update={"title": "other", "footnotes": ("x",)})) == []
    new = make(Row(label="b", recipe=voxel_simsiam(layers=3)), Row(label="c", recipe=vnet()))
    told = differing_rows(new, old)
    assert told[:2] == ["new row 'c'", "no row 'a' any more"]
    assert "'b': feature_loss.layers 2 -> 3" in told
    assert any(line.startswith("'b': compared_with") for line in told)
    shared = make(Row(label="a", recipe=unet3d(), label_fraction=0.5))
    assert differing_rows(shared, make(Row(label="a", recipe=unet3d()))) == [
        "'a': label_fraction 1.0 -> 0.5"
    ]


@pytest.mark.parametrize("name", STUDIES)
def test_every_table_survives_its_json(name):
    table = STUDIES[name]
    assert Table.model_validate_json(table.model_dump_json()) == table
    assert not differing_rows(Table.model_validate(table.model_dump(mode="json")), table)


def test_a_table_runs_by_its_own_command():
    row = Row(label="a", recipe=Recipe())
    assert make(row).command == "study run mine"
    assert make(row, file="my study.py").command == "study run 'my study.py'"
    assert STUDIES["train-vnet"].command == "train vnet"
    assert Path(make(row, file="a.py").file).suffix == ".py"
