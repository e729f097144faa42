"""F4: a kill at any file operation of a checkpoint's save never costs more than that epoch."""

import json
import signal

import pytest


def cuts(child, tmp_path, stride):
    return [json.loads(line) for line in child("cut_saves", tmp_path, stride).splitlines()]


@pytest.mark.parametrize(
    "stride", [7, pytest.param(1, marks=pytest.mark.slow)], ids=["every 7th", "all"]
)
def test_a_kill_at_any_file_operation_leaves_a_whole_checkpoint(child, tmp_path, stride, measured):
    found = cuts(child, tmp_path, stride)
    killed = [cut for cut in found if cut["code"] != 0]
    assert {cut["code"] for cut in killed} == {-signal.SIGKILL, -signal.SIGXFSZ}
    assert len(killed) * stride >= 16
    for cut in found:
        # Half-written folders have other names: nothing damaged is ever met.
        assert cut["told"] == [], cut
        assert cut["newest"] in (2, 3), cut
        assert cut["equal"], cut
        # Where the save was done, only the oldest was still to be dropped.
        spare = set() if cut["newest"] == 2 else {"epoch-0001"}
        assert set(cut["left"]) - spare == {"epoch-0002", "epoch-0003"}, cut
    assert {cut["newest"] for cut in killed} == {2, 3}
    before = sum(cut["newest"] == 2 for cut in killed)
    measured(kills=len(killed), fell_back_to_epoch_2=before, unreadable=0, equal_after=len(found))
