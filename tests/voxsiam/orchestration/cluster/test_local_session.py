"""The Ray of one command: what it may end, who may enter its folder, one at a time."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.local_session import note_session, one_session, ray_folder
from voxsiam.orchestration.workspace import Workspace

NAME = "session_2026-11-29_21-55-30_152426_8307"
CODE = "import sys; sys.stdout.write('up\\n'); sys.stdout.flush(); sys.stdin.read()"


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    """Where Ray's sessions are, of a name short enough for it."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path_factory.mktemp("t")))
    monkeypatch.setattr(
        "voxsiam.orchestration.cluster.local_session._LONGEST_SOCKET", "session/plasma_store"
    )
    return ray_folder()


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path / "w")
    workspace.ray.mkdir()
    return workspace


@pytest.fixture
def program(tmp_path):
    """Start a program of a name, with words; it lives until it is killed."""
    begun = []

    def start(script, *words):
        file = tmp_path / script
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(CODE)
        process = subprocess.Popen(
            [sys.executable, str(file), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()


def note(workspace, folder, pid=None, started=1.0):
    """Note a session whose driver is gone: this process's number, but not its time."""
    session = {"folder": str(folder), "pid": pid or os.getpid(), "started": started}
    write_json(workspace.ray / "session.json", session)


def test_what_a_dead_driver_left_behind_is_ended(program, workspace, folder):
    log = program("site/ray/_private/log_monitor.py", f"--session-dir={folder / NAME}")
    raylet = program("site/ray/core/src/raylet", f"--store={folder / NAME}/sockets/plasma_store")
    note(workspace, folder / NAME)
    with one_session(workspace):
        assert [log.wait(), raylet.wait()] == [-signal.SIGKILL] * 2
    assert not (workspace.ray / "session.json").exists()


def test_nothing_else_is_ended(program, workspace, folder):
    ours = f"--session-dir={folder / NAME}"
    living = [
        program("reader.py", str(folder / NAME / "logs")),  # no program of Ray's
        program("ray/reader.py", ours),
        program("site/ray/_private/log_monitor.py", f"{ours}7"),  # another session
        program(
            "site/ray/_private/log_monitor.py", "--session-dir=/elsewhere" + str(folder / NAME)
        ),
    ]
    note(workspace, folder / NAME)
    with one_session(workspace):
        pass
    assert [process.poll() for process in living] == [None] * 4


def test_what_began_before_the_driver_is_not_its(program, workspace, folder):
    process = program("site/ray/_private/log_monitor.py", f"--session-dir={folder / NAME}")
    note(workspace, folder / NAME, started=psutil.Process(process.pid).create_time() + 1)
    with one_session(workspace):
        pass
    assert process.poll() is None


@pytest.mark.parametrize(
    "written",
    [
        "{",
        "[]",
        '"text"',
        "null",
        '{"folder": "", "pid": 1, "started": 1}',
        '{"folder": "/", "pid": 1, "started": 1}',
        '{"folder": "FOLDER", "pid": 1, "started": 1}',
        '{"folder": "FOLDER/", "pid": 1, "started": 1}',
        '{"folder": "FOLDER/session", "pid": 1, "started": 1}',
        '{"folder": "FOLDER/NAME/..", "pid": 1, "started": 1}',
        '{"folder": "FOLDER/NAME/sockets", "pid": 1, "started": 1}',
        '{"folder": "FOLDER/../NAME", "pid": 1, "started": 1}',
        '{"folder": ["FOLDER/NAME"], "pid": 1, "started": 1}',
        '{"folder": "FOLDER/NAME", "pid": "one", "started": 1}',
        '{"folder": "FOLDER/NAME", "pid": 1, "started": null}',
        '{"folder": "FOLDER/NAME", "pid": 1, "started": 1e999}',
        '{"pid": 1, "started": 1}',
        '{"folder": "FOLDER/NAME", "pid": 1, "started": 1, "more": 1}',
    ],
)
def test_a_note_that_is_none_ends_nothing_and_is_said(written, program, workspace, folder, caplog):
    words = [f"--session-dir={folder / NAME}", f"--session-dir={folder}/session", "", "/"]
    process = program("site/ray/_private/log_monitor.py", *words)
    text = written.replace("FOLDER", str(folder)).replace("NAME", NAME)
    (workspace.ray / "session.json").write_text(text)
    with one_session(workspace):
        note_session(workspace, folder / NAME)
    assert process.poll() is None
    assert "session.json" in caplog.text
    assert "ignored" in caplog.text


@pytest.mark.parametrize("made", ["pipe", "link to zeros", "folder"])
def test_a_note_that_is_no_file_ends_no_command(made, workspace, folder, caplog):
    file = workspace.ray / "session.json"
    if made == "pipe":
        os.mkfifo(file)
    elif made == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    with one_session(workspace):
        pass
    assert "ignored" in caplog.text


@pytest.mark.parametrize("pid", [-1, 0, 2**22 + 1, 2**70])
def test_a_driver_of_an_impossible_number_is_gone(pid, workspace, folder):
    note(workspace, folder / NAME, pid=pid)
    with one_session(workspace):
        pass


def test_of_two_commands_the_second_is_refused_and_leaves_the_first_ones_note(workspace, folder):
    with one_session(workspace):
        note_session(workspace, folder / NAME)
        with pytest.raises(UserError, match="another command"), one_session(workspace):
            pass
        assert json.loads((workspace.ray / "session.json").read_text())["pid"] == os.getpid()
    with one_session(workspace):
        pass


def test_where_the_lock_is_held_by_two_the_note_still_counts(workspace, folder):
    note_session(workspace, folder / NAME)
    with pytest.raises(UserError, match="another command"), one_session(workspace):
        pass


def test_nobody_else_can_enter_the_folder(folder):
    closed = folder.parent
    assert closed.stat().st_mode & 0o777 == 0o700
    closed.chmod(0o777)
    ray_folder()
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("made", ["link", "file"])
def test_a_folder_that_somebody_else_made_is_left_to_them(made, folder, tmp_path):
    closed = folder.parent
    closed.rmdir()

    def take(name):
        if made == "link":
            name.symlink_to(tmp_path)
        else:
            name.touch()

    take(closed)
    assert ray_folder() == closed.with_name(f"{closed.name}-2") / folder.name
    ray_folder().parent.rmdir()
    for attempt in range(2, 10):
        take(closed.with_name(f"{closed.name}-{attempt}"))
    with pytest.raises(UserError, match="somebody else's") as caught:
        ray_folder()
    assert "RAY_TMPDIR" in str(caught.value.fix)
    assert tmp_path.stat().st_mode & 0o777 == 0o700  # of pytest's making
