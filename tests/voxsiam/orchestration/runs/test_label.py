import logging
import warnings
from pathlib import PurePath

import pytest

from voxsiam.orchestration.runs.label import RunLabel, epoch_line, labelled_log

LABEL = RunLabel("fig7-1a2b", "100 % of the labels", 3)


@pytest.fixture
def lines(caplog):
    """What the root logger's handlers would have written."""
    return lambda: [record.getMessage() for record in caplog.records]


def test_every_line_has_the_label_whoever_logs_it(lines):
    with labelled_log(str(LABEL)):
        logging.getLogger("voxsiam.x").info("took %.1f s", 2)
        logging.getLogger("somebody.else").warning("plain, 50 % done")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("from Python", UserWarning, stacklevel=1)
    prefix = "[fig7-1a2b | 100 % of the labels | seed 3] "
    assert len(lines()) == 3
    assert lines()[:2] == [f"{prefix}took 2.0 s", f"{prefix}plain, 50 % done"]
    assert lines()[2].startswith(prefix)
    assert "from Python" in lines()[2]


def test_an_actor_that_goes_on_to_another_run_has_its_label_alone(lines, capsys):
    log = logging.getLogger("voxsiam.x")
    for label in ("first", "second"):
        with labelled_log(label):
            log.info("working")
    log.warning("nobody's")
    log.info("not shown")
    assert lines() == ["[first] working", "[second] working", "nobody's"]
    shown = capsys.readouterr().err.splitlines()
    assert [line.partition("voxsiam.x: ")[2] for line in shown] == lines()[:2]


def test_the_label_is_left_when_the_run_fails(lines):
    with pytest.raises(OSError, match="gone"), labelled_log("failing"):
        raise OSError("gone")
    logging.getLogger("voxsiam.x").warning("after")
    assert lines() == ["after"]


def test_attempts_have_names_that_are_folders_and_new():
    names = {LABEL.attempt_name() for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("fig7-1a2b.100-of-the-labels.seed-3.") for name in names)
    assert all(PurePath(name).name == name for name in names)


def test_an_epoch_in_one_line():
    record = {"epoch": 4.0, "train/loss": 0.123456, "seconds/epoch": 2.0}
    assert epoch_line(record) == "epoch 4: train/loss 0.1235, seconds/epoch 2"
