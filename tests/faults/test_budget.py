"""F16: hours that are used up end a search within an epoch; what it has cost is told exactly."""

import time

import pytest

from tests.voxsiam.orchestration.sweeps.test_tune_run import Points, search
from tests.voxsiam.orchestration.toy_sweep import make_ledger
from voxsiam.orchestration.sweeps.plan import Budget
from voxsiam.orchestration.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_instance")]
LIMIT_S = 40.0
"""Long enough for trials to start and train: what starts cannot be asked to end yet."""


class Clock(Points):
    """Writes down the time and what the ledger says was spent, with every event."""

    def __init__(self, ledger):
        super().__init__()
        self.ledger, self.seen, self.late = ledger, [], 0

    def note(self):
        self.seen.append((time.monotonic(), self.ledger.spent.seconds))

    def run_started(self, planned):
        self.note()

    def epoch_done(self, planned, record):
        self.note()
        self.late += self.ledger.used_up() is not None

    def run_ended(self, planned, state, error):
        self.note()


@pytest.mark.attempts(short=1, full=5)
def test_a_search_ends_within_an_epoch_of_its_budget(attempt, tmp_path, measured):
    workspace = Workspace(tmp_path)
    budget = Budget(hours=LIMIT_S / 3600)
    ledger = make_ledger(tmp_path, budget, stop_early=False, epochs=4000, seeds=1 + attempt)
    clock = Clock(ledger)
    search(ledger, workspace, clock)
    assert ledger.used_up() is not None
    assert sum(len(trial.curve) for trial in ledger.trials) > 10
    # Each of the trials side by side ends with the epoch that it was in.
    side_by_side = len(ledger.trials)
    assert clock.late <= side_by_side
    (first, spent_first), (last, spent_last) = clock.seen[0], clock.seen[-1]
    by_clock, by_ledger = last - first, spent_last - spent_first
    assert by_ledger == pytest.approx(by_clock, rel=0.05)
    over = ledger.spent.seconds - LIMIT_S
    states = {trial.state for trial in ledger.trials}
    # One that was suggested and had no time to begin is pending: a larger budget goes on with both.
    assert {"interrupted"} <= states <= {"interrupted", "pending"}
    measured(
        limit_s=LIMIT_S, spent_s=round(ledger.spent.seconds, 2), over_s=round(over, 2),
        epochs_after_the_limit=clock.late, by_clock_s=round(by_clock, 2),
        told_s=round(by_ledger, 2),
    )  # fmt: skip
