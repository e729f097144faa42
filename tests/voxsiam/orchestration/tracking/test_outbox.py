import math

import pytest

from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.orchestration.tracking.outbox import Event, Outbox
from voxsiam.orchestration.workspace import Workspace


@pytest.fixture
def path(tmp_path):
    return tmp_path / "studies" / "toy" / "untracked.jsonl"


def epoch(number):
    return Event(kind="figures", time_ms=number, figures={"epoch": float(number)}, step=number)


def test_events_come_back_whole_and_in_order(path, tmp_path):
    (trial,) = make_plan(Workspace(tmp_path), rows=1).trials
    told = [
        Event(kind="start", time_ms=1, trial=trial, may_link=True),
        Event(
            kind="figures", time_ms=2, trial=trial, step=1,
            figures={"nan": math.nan, "inf": -math.inf, "third": 1 / 3},
        ),
        Event(kind="figures", time_ms=3, artifacts={"a/b.json": {"deep": [1, {"er": None}]}}),
        Event(kind="end", time_ms=4, trial=trial, state="failed", error="line\nbreak \u2028 \x00"),
    ]  # fmt: skip
    outbox = Outbox(path)
    for event in told:
        outbox.add(event)
    found = Outbox(path).read()
    assert len(Outbox(path)) == 4
    assert [event.kind for event in found] == [event.kind for event in told]
    assert found[0] == told[0]
    assert math.isnan(found[1].figures["nan"])
    assert (found[1].figures["inf"], found[1].figures["third"]) == (-math.inf, 1 / 3)
    assert found[2:] == told[2:]
    assert found[0].trial is not None
    assert found[0].trial.run.run_id == trial.run.run_id


def test_a_line_that_a_kill_cut_off_spoils_no_other(path):
    outbox = Outbox(path)
    for number in (1, 2):
        outbox.add(epoch(number))
    whole = path.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        path.write_bytes(whole[:cut])
        again = Outbox(path)
        assert len(again) == (2 if cut == len(whole) - 1 else 1)
        again.add(epoch(3))
        steps = [event.step for event in Outbox(path).read()]
        assert (steps[0], steps[-1]) == (1, 3)


def test_what_is_told_is_forgotten(path):
    outbox = Outbox(path)
    for number in (1, 2, 3):
        outbox.add(epoch(number))
    outbox.keep_only([epoch(3)])
    assert [event.step for event in Outbox(path).read()] == [3]
    outbox.keep_only([])
    assert not path.exists()
    assert len(outbox) == len(Outbox(path)) == 0
