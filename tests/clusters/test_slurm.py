import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from ray.scripts.symmetric_run import symmetric_run

from tests.clusters.slurm_cluster import NODES, on_slurms_host
from tests.clusters.slurm_study import FILE

TEXT = FILE.read_text()
DIRECTIVES = dict(re.findall(r"^#SBATCH --([\w-]+)=?(\S*)$", TEXT, re.M))
TERMINATED = 143


RAY = Path(sys.executable).with_name("ray")


def test_the_shell_reads_it():
    subprocess.run(["bash", "-n", FILE], check=True)


def test_ray_knows_its_options():
    # From Ray's name up to the command that it is to run, and the ports, which stand apart.
    given = re.findall(
        r"--[a-z-]+(?==|\s)", TEXT.partition("ray symmetric-run")[2].partition(" -- ")[0]
    )
    ports = re.findall(r"--[a-z-]+(?==)", re.findall(r'^PORTS="[^"]+"', TEXT, re.M)[0])
    own = {name for parameter in symmetric_run.params for name in parameter.opts}
    assert {"--address", "--min-nodes"} <= set(given) <= own
    # The others are those of `ray start`, which has no such thing as a dry run.
    told = subprocess.run([RAY, "start", "--help"], capture_output=True, text=True, check=True)
    assert len(ports) == 5
    assert set(ports) <= set(re.findall(r"--[a-z-]+", told.stdout))


def test_the_command_joins_the_nodes_and_the_token_is_asked_for():
    entry = shlex.split(TEXT.partition("\n    -- ")[2].partition(" &\n")[0].replace("\\\n", ""))
    assert entry[-3].startswith("RAY_ADDRESS=")
    assert entry[-2:] == ["voxsiam", "$@"]
    assert 'exec env "$@"' in entry[2]
    assert "export RAY_AUTH_MODE=token" in TEXT


def test_one_ray_a_node_that_nobody_shares_and_notice_before_the_end():
    assert DIRECTIVES["ntasks-per-node"] == "1"
    assert {"exclusive", "requeue"} <= DIRECTIVES.keys()
    assert re.fullmatch(r"B:USR1@\d+", DIRECTIVES["signal"])
    assert "trap stop USR1" in TEXT


STAND_INS = {
    # One node: a step is the program itself.
    "srun": 'while [[ "$1" == --* ]]; do shift; done; exec "$@"',
    "ray": 'while [ "$1" != -- ]; do shift; done; shift; "$@"',
    "voxsiam": """
trap 'echo closed; exit 143' TERM
echo "RAY_ADDRESS=$RAY_ADDRESS MLFLOW_TRACKING_URI=$MLFLOW_TRACKING_URI arguments=$*"
[ "$1" != wait ] || while :; do sleep 0.1; done
exit "$1"
""",
}
"""Programs of these names, so that the shell's part is tried without Slurm and Ray."""


@pytest.fixture
def job(tmp_path):
    """Start the file as Slurm would on one node, with some stand-ins replaced."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tracking.env").write_text("MLFLOW_TRACKING_URI=http://server:5000\n")
    environment = os.environ | {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NODEID": "0",
        "VOXSIAM_VENV": str(tmp_path),
        "VOXSIAM_HEAD": "10.0.0.1",
        "VOXSIAM_LOCAL": str(tmp_path),
        "VOXSIAM_TRACKING": str(tmp_path / "tracking.env"),
    }
    started = []

    def start(*arguments, **programs):
        for name, body in (STAND_INS | programs).items():
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/bash\n{body}\n")
            path.chmod(0o700)
        process = subprocess.Popen(
            ["bash", FILE, *arguments],
            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    # Nothing of the job is left on the node.
    assert not list(tmp_path.glob("voxsiam-*"))


def test_the_command_gets_its_arguments_the_cluster_and_the_servers_address(job):
    process = job("2", "a b", "-w", "/shared/w")
    said = process.stdout.read()
    assert process.wait() == 2, said
    assert "RAY_ADDRESS=10.0.0.1:27110 MLFLOW_TRACKING_URI=http://server:5000" in said
    assert "arguments=2 a b -w /shared/w" in said


def test_notice_stops_the_command_and_its_end_is_waited_for(job):
    process = job("wait")
    said = process.stdout.readline()
    assert "arguments=wait" in said
    process.send_signal(signal.SIGUSR1)
    assert "closed" in process.stdout.read()
    assert process.wait() == TERMINATED


def test_a_ray_that_does_not_start_is_a_failure_although_it_says_no_such_thing(job):
    process = job("0", ray="echo Failed to start Ray")
    assert "voxsiam was not started" in process.stdout.read()
    assert process.wait() == 1


@pytest.fixture
def slurms_host():
    words = on_slurms_host()
    if not words:
        pytest.skip("no Slurm that root could start (Debian: apt-get install slurm-wlm iproute2)")
    return words


@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.timeout(5400)
def test_a_job_trains_on_both_nodes_and_what_was_stopped_in_time_goes_on(
    slurms_host, child_environment, tmp_path
):
    command = [*slurms_host, sys.executable, "-m", "tests.clusters.slurm_study", str(tmp_path)]
    done = subprocess.run(
        command, env=child_environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    jobs = json.loads(done.stdout.splitlines()[-1])
    codes = {name: job["code"] for name, job in jobs.items()}
    said = {name: job["said"] for name, job in jobs.items()}
    ends = "\n\n".join(f"{name}: {text[-2000:]}" for name, text in said.items())
    assert codes == {"stopped": TERMINATED, "resumed": 0, "undisturbed": 0}, ends
    for output in said.values():
        # One head, which has seen all nodes before it called the command, once.
        assert output.count("On head node") == 1
        assert output.count("On worker node") == len(NODES) - 1
        assert output.count("Running command on head node") == 1
    assert re.search(r"voxsiam study resume table3-tiny-\w+ --workspace", said["stopped"])
    assert "3 of 3 trials to do" in said["resumed"]
    assert "same" in said["undisturbed"]
    assert_each_epoch_once(f"sqlite:///{tmp_path / 'served.db'}")


def assert_each_epoch_once(store):
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("voxsiam")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    kinds = [run.data.tags["voxsiam.kind"] for run in runs]
    assert (kinds.count("study"), kinds.count("trial")) == (1, 3)
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        if run.data.tags["voxsiam.kind"] == "trial":
            history = client.get_metric_history(run.info.run_id, "train/loss")
            assert {metric.step for metric in history} == {1, 2, 3, 4}
