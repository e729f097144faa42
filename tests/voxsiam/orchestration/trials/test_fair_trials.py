"""Tune asks for trials and ends them: what a share allows, and what is given back."""

from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune
from ray.tune.experiment import Experiment
from ray.tune.search import Searcher

from tests.voxsiam.orchestration.toy_sweep import make_ledger
from voxsiam.orchestration.cluster.fair_share import FairShare, TrialSize
from voxsiam.orchestration.sweeps.early_stopping import early_stopping
from voxsiam.orchestration.trials.fair_trials import FairOrder, FairSearch, FairVariants, Turns


class Share(FairShare):
    """Allows as many trials as it is told, and knows whether others wait."""

    def __init__(self, allowed=0, *, waits=False):
        super().__init__(TrialSize(1, 1.0, threads=1))
        self.allowed, self.waits, self.over = allowed, waits, False

    def allows_another(self, ours):
        return ours < self.allowed

    def gives_way(self):
        return self.waits

    def needs_no_more(self):
        self.over = True


class Numbers(Searcher):
    """Suggests 0, 1, 2, then nothing more."""

    def __init__(self):
        super().__init__()
        self.next = 0

    def suggest(self, trial_id) -> Any:
        self.next += 1
        return {"number": self.next - 1} if self.next <= 3 else Searcher.FINISHED

    def on_trial_complete(self, trial_id, result=None, error=False):
        pass


def variants(turns):
    given = FairVariants(turns)
    grid = {"number": tune.grid_search([0, 1, 2, 3])}
    given.add_configurations([Experiment("toy", lambda _: None, config=grid)])
    return given


def test_a_study_gives_its_trials_in_order_as_far_as_the_share_allows(ray_instance):
    share = Share(2)
    given = variants(Turns(share))
    first: Any = given.next_trial()
    second: Any = given.next_trial()
    assert [first.config["number"], second.config["number"]] == [0, 1]
    assert given.next_trial() is None
    assert not given.is_finished()
    given.on_trial_complete(first.trial_id)
    third: Any = given.next_trial()
    assert third.config["number"] == 2
    share.allowed = 0
    given.on_trial_complete(second.trial_id)
    assert given.next_trial() is None
    assert not given.is_finished()
    share.allowed = 9
    last: Any = given.next_trial()
    assert last.config["number"] == 3
    assert not share.over
    assert given.next_trial() is None
    assert given.is_finished()
    assert share.over  # no node is to be started any more


def test_a_search_is_asked_only_where_the_share_allows():
    share = Share(1)
    numbers = Numbers()
    search = FairSearch(numbers, Turns(share))
    assert search.suggest("a") == {"number": 0}
    assert search.suggest("b") is None
    assert numbers.next == 1  # not asked: a point that is not begun must not be in the ledger
    search.on_trial_complete("a", {})
    assert search.suggest("b") == {"number": 1}
    share.allowed = 9
    assert search.suggest("c") == {"number": 2}
    assert not share.over
    assert search.suggest("d") == Searcher.FINISHED
    assert share.over


@pytest.mark.parametrize("stops_early", [True, False])
@pytest.mark.parametrize("waits", [True, False])
def test_a_trial_that_ends_keeps_its_process_for_the_next_unless_others_wait(
    waits, stops_early, tmp_path
):
    share = Share(waits=waits)
    ledger = make_ledger(tmp_path, stop_early=stops_early)
    ledger.add({"lambda": 2.0, "layers": 1})
    trial: Any = SimpleNamespace(trial_id="a", config={"trial": {"index": 0}})
    for scheduler in (early_stopping(ledger, Turns(share), None), FairOrder(Turns(share))):
        controller: Any = SimpleNamespace(_reuse_actors=True)
        scheduler.on_trial_add(controller, trial)
        scheduler.on_trial_complete(controller, trial, {"fidelity": 1, "validation/dsc": 0.5})
        assert controller._reuse_actors is not waits
        controller._reuse_actors = True
        scheduler.on_trial_error(controller, trial)
        assert controller._reuse_actors is not waits


def test_while_a_job_without_a_trial_waits_for_its_turn_what_it_held_is_given_back(ray_instance):
    """Tune would do nothing else than ask."""
    seen, share = [], Share(0, waits=True)
    turns = Turns(share)
    assert not turns.allow_another(0)
    controller: Any = SimpleNamespace(
        _reuse_actors=True,
        _pending_trials=set(),
        _cleanup_cached_actors=lambda **_: seen.append("kept processes"),
        _actor_manager=SimpleNamespace(next=lambda **_: seen.append("ended processes")),
    )
    turns.end_one(controller)
    assert not turns.allow_another(1)
    assert seen == ["kept processes"]
    assert not turns.allow_another(0)
    assert seen[1:] == ["kept processes", "ended processes"]
    # The process that was kept is for a trial that is to come.
    controller._pending_trials.add("a trial")
    assert not turns.allow_another(1)
    share.allowed = 1
    assert turns.allow_another(0)
    assert len(seen) == 3


def test_tune_can_save_a_search_that_knows_its_controller(ray_instance, tmp_path):
    """It does so every now and then, from the first trial that has ended on."""
    turns = Turns(Share(2))
    search, study = FairSearch(Numbers(), turns), variants(turns)

    class Controller:
        def __reduce__(self):
            raise TypeError("a controller cannot be copied")

    turns.end_one(Controller())
    search.get_state()
    study.save_to_dir(str(tmp_path), "session")
    assert study.next_trial() is not None
