from pathlib import Path

import pytest

from voxsiam.volumes.unused_file import UnusedFile
from voxsiam_cli import console
from voxsiam_cli.console import Steps, clock


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(console, "say", lambda text, _style=None: lines.append(text))
    return lines


def ticking(monkeypatch, *times):
    clocks = iter(times)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clocks))


def test_lines_tell_rate_and_time_left(said, monkeypatch):
    ticking(monkeypatch, 0.0, 10.0, 20.0)
    with Steps("prepare") as steps:
        for done in (0, 4, 8):
            steps(done, 8)
    assert said == [
        "prepare: 0 of 8",
        "prepare: 4 of 8, 2.5 s each, about 0:10 left",
        "prepare: 8 of 8, 2.5 s each",
    ]


def test_what_was_done_before_says_nothing_about_the_rate(said, monkeypatch):
    ticking(monkeypatch, 0.0, 2.0)
    with Steps("prepare") as steps:
        steps(100, 208)
        steps(104, 208)
    assert said == ["prepare: 104 of 208, 2.0 a second, about 0:52 left"]


def test_a_line_for_every_quarter(said):
    with Steps("phantoms") as steps:
        for done in range(41):
            steps(done, 40)
    assert [line.split(",")[0] for line in said] == [
        f"phantoms: {done} of 40" for done in (0, 10, 20, 30, 40)
    ]


SPANS = [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3661, "1:01:01")]


@pytest.mark.parametrize(("seconds", "text"), SPANS)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_files_that_may_be_missed_are_named_each_the_others_counted(said):
    masks = [UnusedFile(Path(f"c/{n}.nii.gz"), "a mask", is_lost=False) for n in range(9)]
    lost = [UnusedFile(Path(f"{n}.nrrd"), "no case", is_lost=True) for n in range(22)]
    console.say_unused([*masks, *lost], Path("pred"))
    assert said[0] == "not used: pred/0.nrrd (no case)"
    assert said[20] == "not used: 2 more that may be missed"
    assert said[21:] == ["not used in pred: c/0.nii.gz, c/1.nii.gz, c/2.nii.gz and 6 more (a mask)"]
