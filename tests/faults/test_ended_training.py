"""F10, and F6 on workers: what no other attempt would mend ends at once, with its cause.

Run: pytest tests/faults/test_ended_training.py [--full-counts]
"""

from dataclasses import replace

import pytest

from tests.faults.faulty_cases import FaultyCases, have_no_room
from tests.faults.trained import Trained
from tests.voxsiam.orchestration.toy_study import ToyCases
from voxsiam.training.checkpoint import CheckpointFolder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_instance")]


class SpoiledLater(FaultyCases):
    """From its second epoch on, one case is no number; one rank alone reads it."""

    def __init__(self, folder, case_id):
        super().__init__(folder, lambda: None, at_read=0)
        self.case_id, self.seen = case_id, 0

    def __call__(self, case_id):
        volume = super().__call__(case_id)
        if case_id != self.case_id or not self.seen_before():
            return volume
        return replace(volume, image=volume.image * float("nan"))

    def seen_before(self):
        """Tell whether any rank has read the case in an epoch before."""
        return sum(case == self.case_id for _, case in self.all_reads()) > 1


def epochs_kept(run):
    found = CheckpointFolder(run.checkpoints).newest(run.run_id)
    return found[1].epochs_done if found else 0


@pytest.mark.attempts(short=1, full=5)
def test_a_loss_that_is_no_number_on_one_rank_ends_all_at_once_and_names_the_case(
    attempt, tmp_path, measured
):
    case_id = "abcdef"[attempt]
    cases = SpoiledLater(tmp_path, case_id)
    trained = Trained(tmp_path / "w", cases)
    assert trained.state == "failed"
    told = trained.error
    assert "epoch 2, step" in told
    assert f"look at {case_id} (" in told
    assert epochs_kept(trained.run) == 1
    processes = {process for process, _ in cases.all_reads()}
    assert len(processes) == 2, "another attempt would end alike"
    measured(told=told, attempts=1)


def test_a_disk_without_room_ends_all_at_once_and_room_goes_on(tmp_path, measured):
    # Both ranks meet it, because only the first one writes.
    cases = FaultyCases(tmp_path, have_no_room, at_read=5, until=tmp_path / "room")
    trained = Trained(tmp_path / "w", cases)
    assert trained.state == "failed"
    told = trained.error
    assert "the checkpoint of epoch" in told
    assert "File too large" in told
    assert "make room" in told
    kept = epochs_kept(trained.run)
    assert kept >= 1
    processes = {process for process, _ in cases.all_reads()}
    assert len(processes) == 2, "another attempt would end alike"
    assert not list(trained.run.checkpoints.glob(".tmp-*"))

    (tmp_path / "room").touch()
    again = Trained(tmp_path / "w", cases)
    assert again.state == "finished"
    expected = Trained(tmp_path / "unbroken", ToyCases()).losses()
    assert again.losses() == pytest.approx(expected, rel=1e-6)
    again.assert_tracked_once()
    measured(told=told, kept=f"epoch {kept}")
