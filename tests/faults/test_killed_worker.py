"""F1, F11: a worker that is killed is replaced, told with its memory, and costs an epoch at most.

Run: pytest tests/faults/test_killed_worker.py [--full-counts]
"""

import random

import pytest

from tests.faults.faulty_cases import FaultyCases, be_killed
from tests.faults.trained import READS, READS_PER_EPOCH, Trained
from tests.voxsiam.orchestration.toy_study import ToyCases

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_instance")]
KNOB = "fewer --workers"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, ray_instance):
    return Trained(tmp_path_factory.mktemp("unbroken"), ToyCases()).losses()


@pytest.mark.attempts(short=2, full=20)
def test_a_worker_killed_at_a_random_step_costs_an_epoch_at_most(
    attempt, unbroken, tmp_path, measured
):
    # The reads of a rank in three epochs; the last one has validation cases too.
    at_read = random.Random(attempt).randint(1, 9)
    cases = FaultyCases(tmp_path, be_killed, at_read)
    trained = Trained(tmp_path / "w", cases)
    assert cases.flag.exists()
    assert trained.state == "finished"
    losses = trained.losses()
    difference = max(abs(a - b) / abs(b) for a, b in zip(losses, unbroken, strict=True))
    assert difference <= 1e-6
    redone = len(cases.all_reads()) - READS
    # The batches that were on their way were read, too.
    assert redone <= READS_PER_EPOCH
    trained.assert_tracked_once()
    told = " ".join(trained.recorder.incidents)
    assert "was killed" in told
    assert "GiB of memory where" in told
    assert KNOB in told
    measured(
        killed_at_read=at_read, cases_read_again=redone, largest_difference=f"{difference:.1e}"
    )


@pytest.mark.attempts(short=1, full=3)
def test_a_trial_killed_in_its_own_process_says_what_it_held_and_goes_on(
    attempt, tmp_path, measured
):
    expected = Trained(tmp_path / "unbroken", ToyCases(), workers=1).losses()
    cases = FaultyCases(tmp_path, be_killed, at_read=10 + attempt)
    killed = Trained(tmp_path / "w", cases, workers=1)
    assert killed.state == "finished"
    told = " ".join(killed.recorder.incidents)
    assert "rank 0 (process" in told
    assert "GiB of memory where" in told
    assert KNOB in told
    assert killed.losses() == expected
    killed.assert_tracked_once()
    measured(told=told)
