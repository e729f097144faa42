"""The wait for the end of a job; with a real cluster: tests/integration/test_submit.py."""

from typing import Any

import pytest

from voxsiam.orchestration.cluster.waiting import PATIENCE_SETTING, WaitedTooLongError
from voxsiam.orchestration.submission.jobs import Job
from voxsiam_cli.cluster.jobs import _wait


class ClusterThatIsFull:
    """Never begins what it was sent."""

    def find(self, job_id):
        return Job(
            job_id,
            "data prepare",
            "ann",
            "waiting",
            None,
            None,
            message="",
            exit_code=None,
            python="",
        )


def test_a_job_that_never_begins_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setenv(PATIENCE_SETTING, "1")
    cluster: Any = ClusterThatIsFull()
    with pytest.raises(WaitedTooLongError, match=r"the end of job-1, \d+ s by now: nobody works"):
        _wait(cluster, cluster.find("job-1"))
