"""F9: a rank that keeps silent is named, ended and replaced, in the time that is set for it.

Run: pytest tests/faults/test_frozen_rank.py [--full-counts]
"""

import re
import time

import pytest

from tests.faults.faulty_cases import FaultyCases, freeze, hang
from tests.faults.trained import Trained
from tests.voxsiam.orchestration.toy_study import ToyCases
from voxsiam.orchestration.trials.worker_group import SILENCE_SETTING

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_instance")]
SILENCE_S = 15


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, ray_instance):
    return Trained(tmp_path_factory.mktemp("unbroken"), ToyCases()).losses()


@pytest.mark.parametrize("fault", [freeze, hang])
@pytest.mark.attempts(short=1, full=5)
def test_a_silent_rank_is_named_and_replaced(
    attempt, fault, unbroken, tmp_path, monkeypatch, measured
):
    monkeypatch.setenv(SILENCE_SETTING, str(SILENCE_S))
    cases = FaultyCases(tmp_path, fault, at_read=4 + attempt)
    trained = Trained(tmp_path / "w", cases)
    assert trained.state == "finished"
    silent = cases.flag.stat().st_mtime
    told_at = trained.run.incidents_file.stat().st_mtime
    *before, told = trained.recorder.incidents
    # A process that is stopped says nothing; one that waits for a read says for which.
    assert len(before) == (fault is hang)
    assert all("is being read for" in text for text in before)
    (process,) = {process for process, _ in cases.all_reads() if f"process {process} " in told}
    assert f"kept silent for {SILENCE_S} s and was ended" in told
    # It is the one that met the fault, and it is gone.
    met = cases.flag.read_text()
    assert process == met
    losses = trained.losses()
    assert losses == pytest.approx(unbroken, rel=1e-6)
    trained.assert_tracked_once()
    measured(told=told, after_s=round(told_at - silent, 1), whole_s=round(time.time() - silent))


@pytest.mark.attempts(short=1, full=3)
def test_a_read_that_never_returns_ends_a_training_that_waits_alone(
    attempt, tmp_path, monkeypatch, measured
):
    monkeypatch.setenv(SILENCE_SETTING, str(SILENCE_S))
    expected = Trained(tmp_path / "unbroken", ToyCases(), workers=1).losses()
    cases = FaultyCases(tmp_path, hang, at_read=10 + attempt)
    trained = Trained(tmp_path / "w", cases, workers=1)
    assert trained.state == "finished"
    slow, given_up, death = trained.recorder.incidents
    assert "is being read for" in slow
    # The watch looks now and then: it may be told a second late.
    waited = re.search(r"was not read within (\d+) s: given up", given_up)
    assert waited is not None
    assert int(waited[1]) >= SILENCE_S
    assert f"process {cases.flag.read_text()} " in death
    assert trained.losses() == expected
    trained.assert_tracked_once()
    measured(told=given_up)
