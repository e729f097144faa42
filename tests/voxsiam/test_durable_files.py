import os
import socket
import subprocess
import sys
import uuid

from voxsiam.durable_files import remove_abandoned, temporary_beside, write_text_atomically


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(folder, host, pid):
    path = folder / f".tmp-{host}-{pid}-{uuid.uuid4().hex}"
    path.mkdir()
    (path / "image.npy").write_bytes(b"half")
    return path


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.json"
    write_text_atomically(path, "one")
    write_text_atomically(path, "two ü")
    assert path.read_text(encoding="utf-8") == "two ü"
    assert list(tmp_path.iterdir()) == [path]


def test_removes_what_dead_processes_left(tmp_path):
    host = socket.gethostname()
    dead = leftover(tmp_path, host, dead_pid())
    living = leftover(tmp_path, host, os.getpid())
    elsewhere = leftover(tmp_path, "other-host", dead_pid())
    own = temporary_beside(tmp_path / "x")
    own.write_text("being written")
    (tmp_path / "volumes").mkdir()
    assert remove_abandoned(tmp_path) == 1
    assert not dead.exists()
    assert living.exists()
    assert elsewhere.exists()
    assert own.exists()
    assert (tmp_path / "volumes").exists()


def test_removes_what_is_a_day_old_from_any_host(tmp_path):
    old = leftover(tmp_path, "other-host", 1)
    os.utime(old, (0, 0))
    odd = tmp_path / ".tmp-"
    odd.write_text("no process named")
    assert remove_abandoned(tmp_path) == 1
    assert not old.exists()
    assert odd.exists()
