"""A study that is looked at while it runs: what is asked again, and what is seen."""

import logging
from unittest.mock import patch

import pytest

from tests.voxsiam_dashboards.study_store import Planned, open_client, prefixed, write_trial
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam_dashboards.store import study_list
from voxsiam_dashboards.store.study_list import LiveRuns, progress_of

FINISHED = 6
MINUTES_MS = 10 * 60_000


class Study:
    """Runs that ended ten minutes after each other, and one that runs."""

    def __init__(self, folder):
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.client, self.uri = open_client(folder)
        self.folder = folder
        (found,) = self.client.search_experiments(filter_string="name = 'voxsiam'")
        experiment = found.experiment_id
        tags = prefixed({"kind": "study", "study_id": "table3-tiny-1"})
        self.parent = self.client.create_run(experiment, tags=tags).info.run_id
        self.runs = [self.start(seed) for seed in range(FINISHED)]
        for number, run_id in enumerate(self.runs):
            self.end(run_id, number)
        self.running = self.start(FINISHED)
        self.live = LiveRuns(RunReader(self.uri), self.parent)

    def start(self, seed):
        trial = Planned("feature (1)", seed, error=0.1, status="RUNNING")
        return write_trial(self.client, self.folder, self.parent, trial, epochs=1)

    def end(self, run_id, number, status="FINISHED"):
        self.client.set_terminated(run_id, status, end_time=1_700_000_000_000 + number * MINUTES_MS)

    def whole(self):
        reader = RunReader(self.uri)
        return progress_of(reader.search(f"tags.`mlflow.parentRunId` = '{self.parent}'"))


@pytest.fixture
def study(tmp_path):
    found = Study(tmp_path)
    assert progress_of(found.live.read()) == found.whole()
    return found


def read_again(study):
    """Read again; name the runs that MLflow was asked for."""
    search, find, asked = RunReader.search, RunReader.find, []

    def searched(reader, *condition, **more):
        for run in search(reader, *condition, **more):
            asked.append(run.info.run_id)
            yield run

    def found(reader, run_id):
        asked.append(run_id)
        return find(reader, run_id)

    with patch.object(RunReader, "search", searched), patch.object(RunReader, "find", found):
        seen = progress_of(study.live.read())
    return seen, sorted(asked)


def test_only_what_runs_and_what_ended_last_is_read_again(study):
    study.client.log_metric(study.running, "epoch", 7.0, step=7)
    seen, asked = read_again(study)
    assert seen == study.whole()
    assert seen[-1].epoch == 7
    assert asked == sorted([study.running, study.runs[-1]])


def change_end(study):
    study.end(study.running, FINISHED)


def change_end_long_ago(study):
    """An end that is told late, from what was kept while the server was away."""
    study.end(study.running, 0, "FAILED")


def change_start(study):
    study.start(FINISHED + 1)


def change_start_and_end(study):
    study.end(study.start(FINISHED + 1), FINISHED)


def change_reopen(study):
    study.client.update_run(study.runs[0], status="RUNNING")


def change_try_again(study):
    """A resumed trial that failed again before anybody looked."""
    study.client.update_run(study.runs[0], status="RUNNING")
    study.end(study.runs[0], FINISHED, "FAILED")


def change_delete_running(study):
    study.client.delete_run(study.running)


@pytest.mark.parametrize(
    "change",
    [change_end, change_end_long_ago, change_start, change_start_and_end, change_reopen,
     change_try_again, change_delete_running],
)  # fmt: skip
def test_what_has_changed_is_seen_at_once(study, change):
    before = study.whole()
    change(study)
    seen, asked = read_again(study)
    assert seen == study.whole() != before
    assert len(set(asked)) <= 3


def test_what_was_deleted_after_its_end_is_seen_when_all_is_read_again(study):
    study.client.delete_run(study.runs[0])
    assert len(read_again(study)[0]) == FINISHED + 1
    with patch.object(study_list, "WHOLE_S", 0.0):
        assert read_again(study)[0] == study.whole()
