"""Commands sent to a cluster as jobs: the test session's Ray, asked over its dashboard."""

import json
import subprocess
import sys

import pytest
import ray

from tests.polling import wait_until
from tests.prepared_folder import build_prepared
from tests.small_data_sets import write_case_folders, write_nnunet
from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.ray_access import OUTSIDE
from voxsiam.orchestration.owner import OWNER_SETTING, this_owner
from voxsiam.orchestration.submission.code_package import pack_code
from voxsiam.orchestration.submission.jobs import JobCluster, JobRequest
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_cli.app import app

pytestmark = pytest.mark.usefixtures("ray_instance")


@pytest.fixture
def address(monkeypatch):
    """Where the session's Ray takes jobs; commands find it as a user's shell would tell them."""
    url = f"http://{ray._private.worker._global_node.webui_url}"  # pyright: ignore
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", url)
    return url


@pytest.fixture
def voxsiam(address, capsys):
    """Call the command line; return its exit code and what it printed."""

    def call(*arguments):
        capsys.readouterr()
        code = app(list(map(str, arguments)), standalone_mode=False)
        return code or 0, capsys.readouterr().out

    return call


def test_a_job_prepares_data_and_an_equal_request_finds_it(voxsiam, tmp_path):
    source = write_case_folders(tmp_path / "clinic")
    words = ("data", "prepare", source, "-o", tmp_path / "prepared", "--grid", "32x32x32")
    words += ("-w", tmp_path / "w")
    code, said = voxsiam("submit", "--", *words)
    assert code == 0, said
    assert (tmp_path / "prepared" / "prepared.json").is_file()
    assert "of code" in said
    (sent,) = (line.split(":")[0] for line in said.splitlines() if "of code" in line)
    # The options in another order are the same request.
    code, said = voxsiam("submit", "--", *words[:3], *words[-2:], *words[3:-2])
    assert code == 0
    assert f"{sent} has finished before" in said
    _, listed = voxsiam("jobs", "list", "--json")
    (job,) = [job for job in json.loads(listed) if str(tmp_path) in job["command"]]
    assert (job["job"], job["state"], job["exit_code"]) == (sent, "finished", 0)


@pytest.mark.slow
def test_files_of_ones_own_travel_and_another_content_is_another_request(
    voxsiam, tmp_path, monkeypatch
):
    """A study's file by a path that the head does not know, and a split given with `=`."""
    monkeypatch.chdir(tmp_path)
    assert voxsiam("study", "new", "my_studys.py")[0] == 0
    config = PreparationConfig(grid_dhw=(32, 32, 32))
    prepared = build_prepared(tmp_path / "prepared", write_nnunet(tmp_path / "raw"), config)
    (tmp_path / "my split.csv").write_text(
        "case_id,side\n" + "".join(f"{c.case_id},train\n" for c in prepared.cases[:-1])
        + f"{prepared.cases[-1].case_id},test\n"
    )  # fmt: skip
    words = (
        "study",
        "run",
        "my_studys.py",
        "--preset",
        "tiny",
        "--dry-run",
        "--split=my split.csv",
    )
    words += ("--data", prepared.root, "-w", tmp_path / "w")
    code, said = voxsiam("submit", "--", *words)
    assert code == 0, said
    assert "SimSiam, wide heads" in said
    (sent,) = (line.split(":")[0] for line in said.splitlines() if "of code" in line)
    assert sent.startswith("study-run-my_studys-")
    assert f"{sent} has finished before" in voxsiam("submit", "--", *words)[1]
    text = (tmp_path / "my_studys.py").read_text()
    (tmp_path / "my_studys.py").write_text(text.replace("SimSiam, wide heads", "Wide"))
    code, said = voxsiam("submit", "--", *words)
    assert code == 0, said
    assert "finished before" not in said
    assert "Wide" in said


def test_a_job_that_has_not_begun_is_stopped_and_a_second_stop_finds_it_over(voxsiam, tmp_path):
    words = ("data", "prepare", tmp_path, "-o", tmp_path / "prepared", "-w", tmp_path / "w")
    _, said = voxsiam("submit", "--detach", "--", *words)
    (job_id,) = (line.split(":")[0] for line in said.splitlines() if "of code" in line)
    code, said = voxsiam("jobs", "stop", job_id)
    assert (code, f"{job_id}: stopped" in said) == (0, True), said
    code, said = voxsiam("jobs", "stop", job_id)
    assert (code, said) == (0, f"{job_id} was over already: stopped\n")


@pytest.mark.slow
def test_the_error_of_a_job_is_shown_and_its_exit_code_passed_on(voxsiam, tmp_path):
    words = ("data", "prepare", tmp_path / "nowhere", "-o", tmp_path / "p", "-w", tmp_path / "w")
    code, said = voxsiam("submit", "--", *words)
    assert code == 2
    assert str(tmp_path / "nowhere") in said
    assert "fix:" in said
    # It did not end well: the same command is a new attempt of the same name.
    _, again = voxsiam("submit", "--", *words)
    assert "-again2" in again


@pytest.mark.slow
def test_a_running_study_is_attached_to_stopped_and_goes_on(
    voxsiam, address, tmp_path, monkeypatch
):
    words = ("study", "run", "table3", "--preset", "tiny", "--set", "epochs=24", "--seeds", "1")
    words += ("-w", tmp_path / "w")
    _, said = voxsiam("submit", "--detach", "--", *words)
    (job_id,) = (line.split(":")[0] for line in said.splitlines() if "of code" in line)
    _, said = voxsiam("submit", "--detach", "--", *words)
    assert "attached to it" in said
    lines = JobCluster(address).follow(job_id)
    assert any("epoch 1/24" in text for text in lines)
    lines.close()
    _, said = voxsiam("jobs", "list")
    assert this_owner() in said
    with monkeypatch.context() as another:
        another.setenv(OWNER_SETTING, "somebody else")
        with pytest.raises(UserError, match="and you are somebody else"):
            voxsiam("jobs", "stop", job_id)
    assert not JobCluster(address).find(job_id).is_over
    code, said = voxsiam("jobs", "stop", job_id)
    assert code == 0
    assert f"{job_id}: stopped" in said
    _, printed = voxsiam("jobs", "logs", job_id)
    assert "finished epochs are kept" in printed
    code, said = voxsiam("submit", "--", *words)
    assert code == 0, said
    assert f"{job_id}-again2" in said
    assert "report:" in said


HOLDER = """
import ray
from ray.util.placement_group import placement_group
ray.init(log_to_driver=False, logging_level="ERROR")

@ray.remote(num_cpus=0)
class Holder:
    def hold(self):
        placement_group([{"CPU": 1}]).wait(60)

holder = Holder.options(name="holder", namespace="tests", lifetime="detached").remote()
ray.get(holder.hold.remote())
"""


@pytest.fixture
def held_by_an_ended_job(child_environment):
    """Places whose job has ended and whose maker lives on: Ray leaves them, and so do we."""
    environment = child_environment | {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAY_AUTH_MODE": "token",
        OUTSIDE: "0",
    }
    subprocess.run([sys.executable, "-c", HOLDER], env=environment, check=True)
    yield
    ray.kill(ray.get_actor("holder", namespace="tests"))


def test_a_stop_looks_after_places_that_ended_jobs_hold(
    voxsiam, address, held_by_an_ended_job, tmp_path
):
    cluster = JobCluster(address)
    # Ray hears of a driver's end a moment after it.
    wait_until(cluster.ended_jobs_hold_places)
    pack_code(tmp_path / "code")
    job = cluster.submit(JobRequest("models", ("models",), sys.executable), tmp_path / "code")
    assert job.python == sys.executable
    _, said = voxsiam("jobs", "stop", job.job_id)
    assert "jobs that have ended hold nothing" in said
    assert cluster.find(f"free-after-{job.job_id}").state == "finished"
