"""Ray's folder for temporary files: too long a name would end as an error of its own much later."""

import os

import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.local_session import _short_folder, ray_folder
from voxsiam.orchestration.cluster.ray_instance import start_ray


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_name_that_is_too_long_is_refused_before_ray_is_started(tmp_path, monkeypatch, variable):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    folder = "/" + "t" * 83
    monkeypatch.setenv(variable, folder)
    with pytest.raises(UserError, match="too long a name") as caught:
        start_ray(2, 2**28)
    assert caught.value.where == f"{variable}={folder}"
    assert "export RAY_TMPDIR=/tmp" in caught.value.fix


def test_the_longest_name_that_is_told_is_taken(monkeypatch):
    digits = len(str(os.getpid()))
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    # Measured: with a process of three digits Ray takes 43 for the folder that it lies in.
    most = 46 - digits - len(f"voxsiam-{os.geteuid()}/")
    monkeypatch.setenv("TMPDIR", "/" + "t" * (most - 1))
    _short_folder()
    monkeypatch.setenv("TMPDIR", "/" + "t" * most)
    with pytest.raises(UserError, match=rf"at most {most} characters"):
        _short_folder()


def test_a_folder_that_is_no_place_to_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/dev/null/x")
    with pytest.raises(UserError, match="cannot be written"):
        ray_folder()
