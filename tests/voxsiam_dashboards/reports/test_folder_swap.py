import subprocess
import sys

import pytest

from voxsiam_dashboards.reports import folder_swap
from voxsiam_dashboards.reports.folder_swap import write_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from voxsiam_dashboards.reports.folder_swap import write_folder

def write(folder):
    (folder / "index.html").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

write_folder(Path(sys.argv[1]), write)
"""


def page(text):
    return lambda folder: (folder / "index.html").write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old(tmp_path):
    directory = tmp_path / "reports" / "table3"
    write_folder(directory, page("old"))
    return directory


def test_a_new_folder_stands_alone(old):
    assert (old / "index.html").read_text() == "old"
    assert names(old.parent) == ["table3"]
    assert old.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("exchange", [True, False])
def test_the_new_replaces_the_old_whole(old, monkeypatch, exchange):
    (old / "stale.txt").write_text("of the older report")
    if not exchange:
        monkeypatch.setattr(folder_swap, "_exchange", lambda *_: False)
    write_folder(old, page("new"))
    assert (old / "index.html").read_text() == "new"
    assert names(old) == ["index.html"]
    assert names(old.parent) == ["table3"]


def test_linux_swaps_in_one_step(old, tmp_path):
    other = tmp_path / "other"
    write_folder(other, page("other"))
    swapped = folder_swap._exchange(old, other)
    # Where a file system knows no exchange, nothing may have moved.
    expected = ("other", "old") if swapped else ("old", "other")
    assert ((old / "index.html").read_text(), (other / "index.html").read_text()) == expected


def test_a_failure_leaves_the_old_one(old):
    def fails(folder):
        (folder / "index.html").write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_folder(old, fails)
    assert (old / "index.html").read_text() == "old"
    assert names(old.parent) == ["table3"]


def test_a_kill_leaves_the_old_one(old):
    command = [sys.executable, "-c", KILLED, str(old)]
    done = subprocess.run(command, check=False)
    assert done.returncode == -9
    assert (old / "index.html").read_text() == "old"
    assert names(old) == ["index.html"]
