import pytest

from tests.voxsiam.orchestration.toy_sweep import make_ledger
from voxsiam.durable_files import write_json
from voxsiam.orchestration.sweeps.tune_run import SweepKeeper, SweepSearch


@pytest.fixture
def ledger(tmp_path):
    return make_ledger(tmp_path, seeds=2)


@pytest.fixture
def runs(ledger):
    """Of a trial that was begun."""
    ledger.add({"lambda": 2.0, "layers": 1})
    return ledger.runs_of(ledger.trials[0])


def keeper_of(ledger):
    return SweepKeeper(SweepSearch(ledger), 0, [])


@pytest.mark.parametrize("name", ["a%41", "what?", "a b#c"])
def test_the_search_is_written_beside_the_ledger_whatever_its_folder_is_called(tmp_path, name):
    ledger = make_ledger(tmp_path / name)
    SweepSearch(ledger)
    assert (ledger.folder / "optuna.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def finish(run, *scores):
    records = [
        {"epoch": float(epoch), "validation/dsc": score, "seconds/epoch": 1.5}
        for epoch, score in enumerate(scores, start=1)
    ]
    write_json(run.run.result_file, {"records": records})


def test_a_trial_that_was_trained_elsewhere_has_its_curve(ledger, runs):
    """Sweeps share their first point: the second one hears of no epoch, only of the end."""
    keeper = keeper_of(ledger)
    for run, scores in zip(runs, [(0.1, 0.2, 0.3, 0.4), (0.2, 0.3, 0.5, 0.6)], strict=True):
        finish(run, *scores)
        keeper.run_started(run)
        keeper.run_ended(run, "finished", None)
    (trial,) = ledger.trials
    assert trial.curve == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    assert trial.objectives == {"dsc": 0.5, "seconds": 6.0}
    assert trial.state == "finished"


def test_a_trial_comes_to_its_last_epoch_not_to_its_best(ledger, runs):
    """The best of many epochs is chosen by chance: it would favour trials that waver."""
    keeper = keeper_of(ledger)
    for run, scores in zip(runs, [(0.1, 0.9, 0.3), (0.8, 0.2, 0.5)], strict=True):
        finish(run, *scores)
        keeper.run_started(run)
        keeper.run_ended(run, "finished", None)
    (trial,) = ledger.trials
    assert trial.objectives == {"dsc": pytest.approx(0.4), "seconds": 4.5}


def test_an_epoch_that_ended_when_no_driver_listened_is_not_lost(ledger, runs):
    keeper = keeper_of(ledger)
    keeper.run_started(runs[0])
    keeper.epoch_done(runs[0], {"epoch": 1.0, "validation/dsc": 0.1})
    finish(runs[0], 0.1, 0.2, 0.3, 0.4)
    keeper.run_ended(runs[0], "finished", None)
    (trial,) = ledger.trials
    assert trial.curve == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    assert trial.state == "running", "its second seed is still to be trained"
