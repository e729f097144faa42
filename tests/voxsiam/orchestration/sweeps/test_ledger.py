import multiprocessing
import os
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from tests.voxsiam.orchestration.toy_sweep import SETTINGS, make_ledger, make_sweep
from tests.voxsiam.training.toy import make_recipe
from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.fair_share import FairShare, TrialSize
from voxsiam.orchestration.sweeps import ledger as sweep_ledger
from voxsiam.orchestration.sweeps.early_stopping import early_stopping
from voxsiam.orchestration.sweeps.history import DATABASE, SearchHistory
from voxsiam.orchestration.sweeps.ledger import SweepLedger, find_sweeps
from voxsiam.orchestration.sweeps.plan import Budget
from voxsiam.orchestration.sweeps.space import Setting
from voxsiam.orchestration.trials.fair_trials import FairOrder, Turns
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import METHOD_VERSION

POINT = {"lambda": 2.0, "layers": 1}


def end(ledger, number, dsc, curve, state="finished"):
    objectives = {"dsc": dsc, "seconds": 3.0} if state == "finished" else {}
    return ledger.update(number, state=state, curve=curve, objectives=objectives)


def reopened(ledger):
    workspace = Workspace(ledger.folder.parent.parent)
    return SweepLedger.read(workspace, ledger.folder)


def searched(folder, trials=8, **changes):
    """A sweep whose scores are a plain function of lambda."""
    ledger = make_ledger(folder, Budget(trials=trials), **changes)
    history = SearchHistory(ledger)
    for number in range(trials):
        ledger.add(history.suggest(number))
        score = 1 / (1 + abs(float(ledger.trials[number].values["lambda"]) - 20))
        history.report(number, 1, score)
        state = "stopped" if number % 3 == 2 else "finished"
        history.end(end(ledger, number, score, {1: score}, state))
    return ledger


def test_a_ledger_read_back_is_the_one_that_was_written(tmp_path):
    ledger = searched(tmp_path)
    ledger.spend(12.0, 2)
    again = reopened(ledger)
    assert again.trials == ledger.trials
    assert again.plan == ledger.plan
    assert (again.spent.seconds, again.spent.gpu_seconds) == (12.0, 24.0)
    assert [each.plan.sweep_id for each in find_sweeps(Workspace(tmp_path))] == ["lambda-toy"]


def test_a_point_suggested_again_gets_further_seeds(tmp_path):
    ledger = make_ledger(tmp_path, seeds=2)
    first, second = ledger.add(POINT), ledger.add(POINT)
    assert (first.seeds, second.seeds) == ((0, 1), (2, 3))
    identities = [run.run.run_id for trial in (first, second) for run in ledger.runs_of(trial)]
    assert len(set(identities)) == 4


def test_other_values_of_the_same_recipe_get_further_seeds_too(tmp_path):
    """Of three voxels a share of 0.05 is as many as one of 0.1: two trials would share a folder."""
    share = Setting(
        name="false negatives",
        path="feature_loss.sampling.max_false_negatives",
        low=0.0,
        high=1.0,
        share_of="feature_loss.sampling.max_voxels",
    )
    ledger = make_ledger(tmp_path, settings=(SETTINGS[0], share))
    loss = make_recipe(epochs=4).feature_loss
    assert loss is not None
    few = loss.sampling.max_voxels
    trials = [
        ledger.add({"lambda": 2.0, "false negatives": part / few}) for part in (1.0, 1.1, 2.0)
    ]
    assert [trial.seeds for trial in trials] == [(0,), (1,), (0,)]
    assert len({run.run.directory for trial in trials for run in ledger.runs_of(trial)}) == 3


def test_a_command_that_dies_while_it_makes_a_ledger_leaves_none(tmp_path, monkeypatch):
    written = []

    def die_at_the_second(path, content):
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt
        write_json(path, content)

    monkeypatch.setattr(sweep_ledger, "write_json", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        make_ledger(tmp_path)
    assert find_sweeps(Workspace(tmp_path)) == []


def test_whoever_gets_the_lock_sees_what_the_last_driver_has_done(tmp_path):
    late, early = make_ledger(tmp_path), make_ledger(tmp_path)
    with early.held():
        early.add(POINT)
        early.spend(12.0, 0)
    with late.held():
        assert late.add(POINT).number == 1
        assert late.spent.seconds == 12.0


def test_the_sweep_that_went_on_last_comes_first(tmp_path):
    older, newer = (make_ledger(tmp_path, sweep_id=name) for name in ("older", "newer"))
    for ledger, second in ((older, 1), (newer, 2)):
        os.utime(ledger.folder / "budget.json", (second, second))
    assert [each.plan.sweep_id for each in find_sweeps(Workspace(tmp_path))] == ["newer", "older"]
    older.spend(1.0, 0)
    assert [each.plan.sweep_id for each in find_sweeps(Workspace(tmp_path))] == ["older", "newer"]


def test_no_run_of_a_search_holds_a_test_case(tmp_path):
    ledger = make_ledger(tmp_path, held_out=("t", "u"))
    for run in ledger.runs_of(ledger.add(POINT)):
        cases = {*run.run.split.train, *run.run.split.validation, *run.run.split.test}
        assert not cases & set(ledger.plan.held_out)


def test_the_best_trial_was_trained_to_the_end(tmp_path):
    ledger = make_ledger(tmp_path)
    assert ledger.best() is None
    for values in ({"lambda": 1.0, "layers": 1}, {"lambda": 2.0, "layers": 1}, POINT):
        ledger.add(values)
    end(ledger, 0, 0.4, {1: 0.4})
    end(ledger, 1, 0.9, {1: 0.9}, state="stopped")
    end(ledger, 2, 0.5, {1: 0.5})
    assert ledger.best() == ledger.trials[2]


def test_budgets_of_time(tmp_path):
    ledger = make_ledger(tmp_path, Budget(hours=1, gpu_hours=1.5))
    ledger.spend(1800.0, 2)
    assert ledger.used_up() is None
    ledger.spend(900.0, 2)
    assert ledger.used_up() == "1.5 of 1.5 GPU-hours"
    ledger.spend(900.0, 0)
    assert ledger.used_up() == "1 of 1 hours"


def test_another_version_of_the_method_does_not_go_on_with_it(tmp_path):
    make_ledger(tmp_path).plan.require_this_method()
    old = make_ledger(tmp_path / "old", method_version=METHOD_VERSION - 1)
    with pytest.raises(UserError, match="another version of the method"):
        reopened(old).plan.require_this_method()


def test_a_damaged_file_is_named(tmp_path):
    ledger = searched(tmp_path, trials=2)
    (ledger.folder / "trials" / "00001.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read") as caught:
        reopened(ledger)
    assert caught.value.where.endswith("00001.json")


def hold(folder, held, done):
    ledger = make_ledger(folder)
    with ledger.held():
        held.set()
        done.wait()


def test_two_drivers_are_one_too_many(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    held, done = spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold, args=(tmp_path, held, done))
    other.start()
    held.wait()
    with (
        pytest.raises(UserError, match="another process is running this sweep"),
        make_ledger(tmp_path).held(),
    ):
        pass
    done.set()
    other.join()


@pytest.mark.parametrize("objectives", [("dsc",), ("dsc", "seconds")])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_is_rebuilt_suggests_what_the_unbroken_one_does(
    tmp_path, objectives, sampler
):
    whole = searched(tmp_path / "whole", trials=9, objectives=objectives, sampler=sampler)
    part = searched(tmp_path / "part", trials=8, objectives=objectives, sampler=sampler)
    assert part.trials == whole.trials[:8]
    rebuilt = SearchHistory(reopened(part))
    assert rebuilt.suggest(8) == whole.trials[8].values


def test_optuna_sees_stopped_trials_as_pruned_with_their_curves(tmp_path):
    ledger = searched(tmp_path)
    ledger.add(POINT)
    ledger.update(8, state="interrupted", curve={1: 0.2})
    SearchHistory(reopened(ledger))
    study = optuna.load_study(
        study_name="lambda-toy", storage=f"sqlite:///{ledger.folder / DATABASE}"
    )
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "COMPLETE", "PRUNED"] * 2 + ["COMPLETE", "COMPLETE", "RUNNING"]
    for number in (2, 8):
        assert study.trials[number].intermediate_values == ledger.trials[number].curve
    assert study.trials[8].params == POINT
    assert study.trials[0].params == ledger.plan.space.base_values()


def test_a_search_for_time_alone_does_not_take_scores_for_times(tmp_path):
    """Optuna ranks stopped trials by their curves; the smaller, the better, where time counts."""
    ledger = searched(tmp_path, objectives=("seconds",))
    SearchHistory(reopened(ledger))
    study = optuna.load_study(
        study_name="lambda-toy", storage=f"sqlite:///{ledger.folder / DATABASE}"
    )
    assert study.direction.name == "MINIMIZE"
    assert not any(trial.intermediate_values for trial in study.trials)


ALONE = Turns(FairShare(TrialSize(workers=1, gpu_share=1.0, threads=1)))


def newcomer(number):
    return SimpleNamespace(trial_id="new", config={"trial": {"index": number}})


def decisions(ledger, number, scores):
    """What ASHA decides about one trial, by what its runs report of it: fidelity and score."""
    asha: Any = early_stopping(ledger, ALONE, None)
    trial = newcomer(number)
    asha.on_trial_add(None, trial)
    return [
        asha.on_trial_result(None, trial, {"fidelity": fidelity, "validation/dsc": score})
        for fidelity, score in scores.items()
    ]


def after_three(folder, curve, **changes):
    """Three trials that came to the end, and one that goes on."""
    ledger = make_ledger(folder, epochs=9, **changes)
    for number, score in enumerate((0.5, 0.6, 0.7)):
        ledger.add({"lambda": 2.0 + number, "layers": 1})
        end(ledger, number, score, dict.fromkeys(range(1, 10), score))
    ledger.add(POINT)
    ledger.update(3, state="interrupted", curve=curve)
    return ledger


def test_early_stopping_remembers_what_earlier_sessions_have_seen(tmp_path):
    """A newcomer below the earlier trials is stopped at its first rung, as if nobody had died."""
    fresh = make_ledger(tmp_path / "fresh", epochs=9)
    fresh.add(POINT)
    assert decisions(fresh, 0, {1: 0.1}) == ["CONTINUE"]
    ledger = after_three(tmp_path, {})
    assert decisions(ledger, 3, {1: 0.1}) == ["STOP"]
    assert decisions(ledger, 3, {1: 0.8}) == ["CONTINUE"]
    relaxed = SweepLedger(
        ledger.folder, Workspace(tmp_path), make_sweep(stop_early=False), Budget(trials=4)
    )
    scheduler = early_stopping(relaxed, ALONE, None)
    assert type(scheduler) is FairOrder


def test_a_trial_that_goes_on_is_not_judged_again_where_it_has_passed(tmp_path):
    """It was the first there; a resume reports its last epoch once more."""
    ledger = after_three(tmp_path, {1: 0.6, 2: 0.6, 3: 0.6})
    assert decisions(ledger, 3, {3: 0.6, 4: 0.1, 8: 0.1}) == ["CONTINUE"] * 3


def test_whoever_reaches_the_last_epoch_is_not_stopped(tmp_path):
    """Of nine epochs the last is a rung; the training is paid for, its score must count."""
    ledger = after_three(tmp_path, {})
    assert decisions(ledger, 3, {1: 0.8, 3: 0.8, 9: 0.1}) == ["CONTINUE"] * 3


def test_further_seeds_are_not_judged_by_their_first_epochs(tmp_path):
    """Where the first seed was trained by another sweep, nothing is heard of it here."""
    ledger = after_three(tmp_path, {}, seeds=2)
    assert decisions(ledger, 3, {10: 0.1, 12: 0.1, 18: 0.1}) == ["CONTINUE"] * 3
