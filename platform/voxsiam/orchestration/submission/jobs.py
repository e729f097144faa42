"""Jobs on a Ray cluster, over the address of its dashboard: sent, found, followed, stopped."""

import asyncio
import logging
import re
import shlex
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.ray_access import unknown_token
from voxsiam.orchestration.cluster.ray_settings import RAY_SETTINGS, SESSION_SETTING
from voxsiam.orchestration.owner import OWNER_SETTING, this_owner
from voxsiam.orchestration.submission.code_package import SENT

ANSWER_WITHIN_S = (10.0, 120.0)
"""To connect, and between two parts of an answer: a tunnel that is half open gives none."""

STOP_NOTICE_S = 60
"""Ray kills three seconds after its SIGTERM; a study needs longer to close its runs."""

JOB_SETTINGS = RAY_SETTINGS | {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_NOTICE_S)}
"""Variables of every job; kuberay/job.yaml gives the same."""

_COMMAND, _OWNER = "voxsiam.command", "voxsiam.owner"
_EXEC = 'SENT="$PWD"; cd / && exec '
"""Not in the folder of the code, which Ray replaces where a second node of one host unpacks it: its
modules are found by PYTHONPATH, files that were sent along by their whole path. And Ray's SIGTERM
shall reach the program and not a shell."""
_TALKATIVE = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")
"""Loggers of Ray's that tell of packages and sockets, line by line."""
_ATTEMPT = re.compile(r"-again(\d+)$")

JobState = Literal["waiting", "running", "stopped", "finished", "failed"]
_STATES: dict[JobStatus, JobState] = {
    JobStatus.PENDING: "waiting",
    JobStatus.RUNNING: "running",
    JobStatus.STOPPED: "stopped",
    JobStatus.SUCCEEDED: "finished",
    JobStatus.FAILED: "failed",
}


@dataclass(frozen=True)
class Job:
    """A command of ours on the cluster.

    Attributes:
        job_id: Ray's submission id.
        command: What follows `voxsiam`.
        owner: Who has sent it; empty in jobs that `voxsiam submit` did not send.
        message: Ray's words about the state.
        exit_code: Of the command, once it has ended by itself.
    """

    job_id: str
    command: str
    owner: str
    state: JobState
    started: datetime | None
    ended: datetime | None
    message: str
    exit_code: int | None
    python: str

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.state in ("stopped", "finished", "failed")

    @classmethod
    def of(cls, details: JobDetails) -> "Job":
        """Read Ray's description."""
        return cls(
            job_id=details.submission_id or "",
            command=(details.metadata or {}).get(_COMMAND, ""),
            owner=(details.metadata or {}).get(_OWNER, ""),
            state=_STATES[details.status],
            started=_time(details.start_time),
            ended=_time(details.end_time),
            message=details.message or "",
            exit_code=details.driver_exit_code,
            python=details.entrypoint.removeprefix(_EXEC).split(" -m ")[0],
        )


@dataclass(frozen=True)
class JobRequest:
    """What is to run.

    Attributes:
        name: Equal requests have equal names.
        words: What follows `voxsiam`; SENT stands before the name of a file that was packed.
        python: The interpreter on the cluster's head.
        environment: Variables of the driver and of all workers; anybody who can open the
            cluster's dashboard reads them.
    """

    name: str
    words: tuple[str, ...]
    python: str
    environment: Mapping[str, str] = field(default_factory=dict)


class JobCluster:
    """A cluster that takes jobs, at the address of its dashboard.

    Raises:
        UserError: Nothing answers there, or it does not know our token.
    """

    def __init__(self, address: str) -> None:
        if urlsplit(address).scheme not in ("http", "https"):
            raise UserError(
                f"'{address}' is not the address of a dashboard",
                where="--address",
                fix="give it with http, for example http://127.0.0.1:8265",
            )
        self.address = address
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        with self._in_our_words():
            self._client = _ImpatientClient(address)

    def submit(self, request: JobRequest, code: Path) -> Job:
        """Send a job; where an equal one is waiting or running, return that one.

        One that has ended is not disturbed: the new one has its name with a number.

        Args:
            code: The folder that `pack_code` has filled.
        """
        before = self.attempts(request.name)
        if before and not before[-1].is_over:
            return before[-1]
        job_id = f"{request.name}-again{len(before) + 1}" if before else request.name
        owner = this_owner()
        words = " ".join(map(_quoted, (request.python, "-m", "voxsiam_cli", *request.words)))
        shown = shlex.join(word.replace(SENT, "") for word in request.words)
        with self._in_our_words():
            session = self._ask("/api/version")["session_name"]
            own = {OWNER_SETTING: owner, SESSION_SETTING: session}
            try:
                self._client.submit_job(
                    entrypoint=f"{_EXEC}{words}",
                    submission_id=job_id,
                    metadata={_COMMAND: shown, _OWNER: owner},
                    runtime_env={
                        "working_dir": str(code),
                        "env_vars": JOB_SETTINGS | own | dict(request.environment),
                    },
                )
            except RuntimeError:
                # Somebody was faster with an equal request.
                if job_id not in [job.job_id for job in self.attempts(request.name)]:
                    raise
        return self.find(job_id)

    def attempts(self, name: str) -> list[Job]:
        """List the jobs of one name, the first attempt first."""
        return [job for job in self.jobs() if _ATTEMPT.sub("", job.job_id) == name]

    def jobs(self) -> list[Job]:
        """List our jobs, the oldest first."""
        with self._in_our_words():
            found = [Job.of(each) for each in self._client.list_jobs() if each.submission_id]
        ours = [job for job in found if job.command]
        return sorted(ours, key=lambda job: job.started or datetime.max.astimezone())

    def find(self, job_id: str) -> Job:
        """Return one of our jobs.

        Raises:
            UserError: There is none of this name.
        """
        for job in self.jobs():
            if job.job_id == job_id:
                return job
        raise UserError(
            f"there is no job '{job_id}'",
            where=self.address,
            fix=f"see: voxsiam jobs list --address {self.address}",
        )

    def log(self, job_id: str) -> str:
        """Return everything that a job has printed."""
        with self._in_our_words():
            return self._client.get_job_logs(job_id)

    def follow(self, job_id: str) -> Generator[str]:
        """Yield what a job prints, from its beginning, until it is over."""
        lines = cast("AsyncGenerator[str]", self._client.tail_job_logs(job_id))
        loop = asyncio.new_event_loop()
        try:
            with self._in_our_words():
                while True:
                    yield loop.run_until_complete(anext(lines))
        except StopAsyncIteration:
            return
        finally:
            loop.run_until_complete(lines.aclose())
            loop.close()

    def stop(self, job_id: str) -> bool:
        """Ask a job to end as by SIGTERM: it keeps its finished epochs. False: it was over."""
        with self._in_our_words():
            return self._client.stop_job(job_id)

    def ended_jobs_hold_places(self) -> bool:
        """Tell whether something in the cluster is still held by jobs that have ended."""
        with self._in_our_words():
            jobs = {each.job_id for each in self._client.list_jobs() if each.status.is_terminal()}
            told = self._ask("/api/v0/placement_groups?detail=1")["data"]["result"]["result"]
        return any(
            group["creator_job_id"] in jobs
            for group in told
            if group["state"] != "REMOVED" and not group["is_detached"]
        )

    def _ask(self, endpoint: str) -> dict[str, Any]:
        return self._client._do_request("GET", endpoint).json()  # pyright: ignore[reportPrivateUsage]

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except AuthenticationError:
            raise unknown_token(self.address) from None
        except (ConnectionError, requests.ConnectionError, requests.Timeout) as error:
            raise UserError(
                "no Ray dashboard answers",
                where=self.address,
                fix="is the head running, is the tunnel open? (ray start --head; ssh -L)",
            ) from error
        except RuntimeError as error:
            if "WebSocket" in str(error):
                raise UserError(
                    "the connection to the dashboard broke off: its head, or a tunnel, is gone",
                    where=self.address,
                    fix="once it answers again (voxsiam jobs list), the same submit attaches to "
                    "the job, or goes on where that ended",
                ) from None
            no_agent = ("Agent info not found", "No available agent")
            if not any(words in str(error) for words in no_agent):
                raise
            raise UserError(
                "the cluster takes no jobs: the agent of its head could not start, often because "
                "another Ray has its port, 52365",
                where=f"{self.address}, dashboard_agent.log of the head's session",
                fix="on the head: end what holds the port and start Ray again, or give it another "
                "with ray start --dashboard-agent-listen-port",
            ) from None


class _ImpatientClient(JobSubmissionClient):
    """Ray's client, which would wait for an answer for ever."""

    def _do_request(self, method: str, endpoint: str, **options: Any) -> requests.Response:  # noqa: ANN401
        return super()._do_request(method, endpoint, **{"timeout": ANSWER_WITHIN_S, **options})


def _quoted(word: str) -> str:
    """Write a word for the shell that starts the job; a file that was sent by its whole path."""
    before, is_sent, name = word.partition(SENT)
    if not is_sent:
        return shlex.quote(word)
    return f'{before and shlex.quote(before)}"$SENT"/{shlex.quote(name)}'


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000).astimezone() if milliseconds else None
