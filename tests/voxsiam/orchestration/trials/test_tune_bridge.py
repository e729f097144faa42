import pytest
from ray.tune.experiment import Trial

from tests.voxsiam.orchestration.toy_study import make_run
from voxsiam.orchestration.runs.plan import PlannedRun
from voxsiam.orchestration.trials.tune_bridge import TuneBridge
from voxsiam.orchestration.workspace import Workspace


class Seeds:
    """A listener that writes down what it hears, by seed."""

    def __init__(self):
        self.events = []

    def run_started(self, planned):
        self.events.append((planned.run.seed, "started"))

    def epoch_done(self, planned, record):
        self.events.append((planned.run.seed, int(record["epoch"])))

    def run_ended(self, planned, state, error):
        self.events.append(
            (planned.run.seed, state) if error is None else (planned.run.seed, error)
        )


@pytest.fixture
def runs(tmp_path):
    workspace = Workspace(tmp_path)
    return [PlannedRun(row="trial 0", run=make_run(workspace, seed=seed)) for seed in range(2)]


@pytest.fixture
def trial():
    return Trial("toy", config={"trial": {"index": 0}}, stub=True)


def bridge_of(runs, **options):
    listener = Seeds()
    return TuneBridge([runs], [listener], **options), listener


def epoch(bridge, trial, run, number):
    bridge.on_trial_result(0, [], trial, {"run_index": run, "epoch": number, "train/loss": 1.0})


def finish(run):
    run.run.directory.mkdir(parents=True)
    run.run.result_file.write_text("{}")


def test_each_run_of_a_trial_is_heard_of(runs, trial):
    bridge, listener = bridge_of(runs)
    bridge.on_trial_start(0, [], trial)
    epoch(bridge, trial, 0, 1)
    finish(runs[0])
    epoch(bridge, trial, 1, 1)
    finish(runs[1])
    bridge.on_trial_complete(0, [], trial)
    assert listener.events == [
        (0, "started"), (0, 1), (0, "finished"), (1, "started"), (1, 1), (1, "finished"),
    ]  # fmt: skip


def test_a_run_that_was_done_before_reports_nothing_and_is_finished(runs, trial):
    bridge, listener = bridge_of(runs)
    for run in runs:
        finish(run)
    bridge.on_trial_start(0, [], trial)
    bridge.on_trial_complete(0, [], trial)
    assert listener.events == [(0, "started"), (0, "finished"), (1, "started"), (1, "finished")]


def test_what_tune_ends_early_is_what_the_caller_says(runs, trial):
    bridge, listener = bridge_of(runs, when_cut_short=lambda: "stopped")
    bridge.on_trial_start(0, [], trial)
    epoch(bridge, trial, 0, 1)
    bridge.on_trial_complete(0, [], trial)
    assert listener.events[-1] == (0, "stopped")
    study, heard = bridge_of(runs)
    study.on_trial_start(0, [], trial)
    study.on_trial_complete(0, [], trial)
    assert heard.events[-1] == (0, "left no result")


def test_the_run_that_failed_is_named_with_its_cause(runs, trial):
    bridge, listener = bridge_of(runs)
    bridge.on_trial_start(0, [], trial)
    finish(runs[0])
    runs[1].run.directory.mkdir(parents=True)
    runs[1].run.error_file.write_text("out of memory")
    # The function leaves word and returns: raised on, Tune would try it again.
    bridge.on_trial_complete(0, [], trial)
    assert listener.events[-3:] == [(0, "finished"), (1, "started"), (1, "out of memory")]


def test_a_process_that_died_without_a_word(runs, trial):
    bridge, listener = bridge_of(runs)
    bridge.on_trial_start(0, [], trial)
    bridge.on_trial_error(0, [], trial)
    assert listener.events == [(0, "started"), (0, "its process died")]


def test_an_old_error_of_a_later_run_is_not_taken_for_this_one(runs, trial):
    """Another sweep may have failed at a seed that this one has not come to."""
    bridge, listener = bridge_of(runs)
    runs[1].run.directory.mkdir(parents=True)
    runs[1].run.error_file.write_text("out of memory")
    bridge.on_trial_start(0, [], trial)
    bridge.on_trial_error(0, [], trial)
    assert listener.events == [(0, "started"), (0, "its process died")]


def test_what_never_started_can_fail_too(runs, trial):
    bridge, listener = bridge_of(runs)
    runs[0].run.directory.mkdir(parents=True)
    runs[0].run.error_file.write_text("no room")
    bridge.on_trial_error(0, [], trial)
    assert listener.events == [(0, "started"), (0, "no room")]


def test_an_interrupt_marks_what_was_running(runs, trial):
    bridge, listener = bridge_of(runs)
    bridge.on_trial_start(0, [], trial)
    bridge.end_open_trials()
    bridge.end_open_trials()
    assert listener.events == [(0, "started"), (0, "interrupted")]


def test_a_new_epoch_gives_a_trial_its_attempts_back_and_a_repeated_one_does_not(runs, trial):
    bridge, _ = bridge_of(runs)
    bridge.on_trial_start(0, [], trial)
    for run, number, left in ((0, 1, 0), (0, 1, 2), (0, 2, 0), (0, 2, 2), (1, 1, 0)):
        trial.run_metadata.num_failures = 2
        if run == 1:
            finish(runs[0])
        epoch(bridge, trial, run, number)
        assert trial.num_failures == left
