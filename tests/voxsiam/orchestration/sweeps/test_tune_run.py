import json
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from tests.voxsiam.orchestration.toy_study import ToyCases
from tests.voxsiam.orchestration.toy_sweep import make_ledger
from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.sweeps.history import DATABASE
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import Budget
from voxsiam.orchestration.sweeps.tune_run import run_sweep
from voxsiam.orchestration.tracking.sweep_tracker import SweepTracker
from voxsiam.orchestration.workspace import Workspace

pytestmark = pytest.mark.usefixtures("ray_instance")


class Points:
    """A listener that keeps how the points ended."""

    def __init__(self):
        self.states = {}

    def run_started(self, planned):
        pass

    def epoch_done(self, planned, record):
        pass

    def run_ended(self, planned, state, error):
        pass

    def trial_ended(self, trial):
        assert trial.number not in self.states
        self.states[trial.number] = trial.state


class UsesUpAnHour(Points):
    """Books an hour when so many epochs are done."""

    def __init__(self, ledger, after_epochs):
        super().__init__()
        self.ledger, self.left = ledger, after_epochs

    def epoch_done(self, planned, record):
        self.left -= 1
        if self.left == 0:
            self.ledger.spend(3600.0, 0)


def search(ledger, workspace, *listeners, load=None):
    capacity = Capacity.of_cluster()
    run_sweep(ledger, load or ToyCases(), workspace, capacity, [*listeners])


def children(client, parent):
    experiment = client.get_run(parent).info.experiment_id
    return client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")


def test_a_sweep_trains_every_point_once_and_no_test_case_is_read(tmp_path, monkeypatch):
    # Tune saves its state at every step instead of now and then: a longer sweep meets it.
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "0")
    workspace = Workspace(tmp_path)
    ledger = make_ledger(tmp_path, Budget(trials=6), stop_early=True, seeds=2)
    tracker, points = SweepTracker(workspace, ledger), Points()
    search(ledger, workspace, tracker, points)
    tracker.ended("finished")

    assert sorted(points.states) == list(range(6))
    assert set(points.states.values()) <= {"finished", "stopped"}
    stopped = [trial for trial in ledger.trials if trial.state == "stopped"]
    assert stopped, "four epochs with rungs at 1 and 3: somebody falls behind"
    for trial in ledger.trials:
        results = [run.run.result_file.exists() for run in ledger.runs_of(trial)]
        assert results == [trial.state == "finished"] * 2
        assert len(trial.curve) == 4 if trial.state == "finished" else len(trial.curve) < 4
        for run in ledger.runs_of(trial):
            assert not run.run.split.test
            assert not run.run.checkpoints.exists()
    best = ledger.best()
    assert best is not None
    assert best.objectives["dsc"] == max(t.objectives["dsc"] for t in ledger.trials if t.objectives)

    study = optuna.load_study(
        study_name="lambda-toy", storage=f"sqlite:///{ledger.folder / DATABASE}"
    )
    assert [trial.state.name for trial in study.trials] == [
        {"finished": "COMPLETE", "stopped": "PRUNED"}[trial.state] for trial in ledger.trials
    ]
    assert study.best_value == best.objectives["dsc"]
    assert study.trials[0].params == ledger.plan.space.base_values()

    client = MlflowClient(workspace.tracking_uri)
    runs = children(client, tracker.parent)
    states = {(r.data.tags["voxsiam.row"], r.data.tags["voxsiam.state"]) for r in runs}
    assert states == {(trial.label, trial.state) for trial in ledger.trials}
    for run in runs:
        finished = run.data.tags["voxsiam.state"] == "finished"
        assert run.info.status == ("FINISHED" if finished else "KILLED")
        assert not any(name.startswith("test/dsc") for name in run.data.metrics)
    copied = client.download_artifacts(tracker.parent, "sweep/trials.json", str(tmp_path))
    told = json.loads(Path(copied).read_text())
    assert told["best"] == best.number
    assert len(told["trials"]) == 6


@pytest.mark.parametrize(
    "budget",
    [pytest.param(Budget(trials=4), marks=pytest.mark.slow), Budget(hours=1)],
    ids=["asha", "hours"],
)
def test_trials_on_workers_end_when_asked_and_leave_room_for_the_next(tmp_path, budget):
    """Killed by Tune, their places would never be given back: the next trial would hang."""
    workspace, capacity = Workspace(tmp_path), Capacity.of_cluster()
    epochs = 60 if budget.hours else 4
    whole = budget.hours is not None
    changes = {"epochs": epochs, "stop_early": not whole, "seeds": 1 if whole else 2}
    # More than half of the processors: one at a time.
    ledger = make_ledger(tmp_path, budget, workers=3, **changes)
    points = UsesUpAnHour(ledger, after_epochs=2) if budget.hours else Points()
    run_sweep(ledger, ToyCases(), workspace, capacity, [points])
    states = [trial.state for trial in ledger.trials]
    if budget.hours:
        assert states == ["interrupted"]
        assert 2 <= len(ledger.trials[0].curve) < epochs
    else:
        assert "stopped" in states
        assert set(states) <= {"finished", "stopped"}
        # The last one had its place from those before it.
        assert len(states) == 4


@pytest.mark.slow
def test_a_larger_budget_goes_on(tmp_path):
    workspace = Workspace(tmp_path)
    ledger = make_ledger(tmp_path, Budget(trials=2), stop_early=False)
    search(ledger, workspace, Points())
    before = [trial.model_dump() for trial in ledger.trials]
    spent = ledger.spent.seconds
    assert spent > 0

    more = SweepLedger.create(workspace, ledger.plan, Budget(trials=3))
    points = Points()
    search(more, workspace, points)
    assert [trial.model_dump() for trial in more.trials[:2]] == before
    assert points.states == {2: "finished"}

    used_up = SweepLedger.create(workspace, ledger.plan, Budget(hours=more.spent.seconds / 3600))
    search(used_up, workspace, Points())
    assert len(used_up.trials) == 3


def test_used_up_hours_cut_off_what_runs_and_more_hours_go_on_with_it(tmp_path):
    workspace = Workspace(tmp_path)
    ledger = make_ledger(tmp_path, Budget(trials=2, hours=1), stop_early=False, epochs=6)
    search(ledger, workspace, UsesUpAnHour(ledger, after_epochs=2))
    trial = max(ledger.trials, key=lambda each: len(each.curve))
    assert trial.state == "interrupted"
    assert 1 <= len(trial.curve) < 6
    assert (ledger.used_up() or "").endswith("of 1 hours")
    assert ledger.best() is None
    (run,) = ledger.runs_of(trial)
    assert run.run.checkpoints.exists()

    more = SweepLedger.create(workspace, ledger.plan, Budget(trials=len(ledger.trials), hours=2))
    points = Points()
    search(more, workspace, points)
    assert set(points.states.values()) == {"finished"}
    assert sorted(points.states) == list(range(len(ledger.trials)))
    records = json.loads(run.run.result_file.read_text())["records"]
    assert [int(record["epoch"]) for record in records] == [1, 2, 3, 4, 5, 6]
    assert more.trials[trial.number].curve == {
        int(r["epoch"]): r["validation/dsc"] for r in records
    }
