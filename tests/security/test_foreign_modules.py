"""Python files that lie where a command is given: none is executed, by whatever process of ours."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from tests.integration.programs import read_until
from tests.own_host import on_a_host_of_its_own
from tests.small_data_sets import write_case_folders
from tests.tracking_server import free_port
from voxsiam.orchestration.cluster.ray_access import OUTSIDE

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = (
    "voxsiam", "voxsiam_cli", "voxsiam_api", "voxsiam_data", "voxsiam_experiments",
    "voxsiam_dashboards",
)  # fmt: skip
FOLDERS = (*OWN, "experiments", "dashboards", "data_pipelines", "platform", "tests")
FILES = (
    "nibabel", "click", "ray", "torch", "numpy", "mlflow", "uvicorn", "alembic", "typer",
    "sitecustomize", "usercustomize", "json", "random",
)  # fmt: skip
TELLS = """
import os, sys
with open(os.path.join({folder!r}, "executed"), "a") as told:
    print(__name__, sys.argv, file=told)
"""


@pytest.fixture(params=["packages", "folders without a file, as a clone's parent has"])
def foreign(request, tmp_path):
    """A folder full of somebody else's modules."""
    folder = tmp_path / "somebody's"
    tells = TELLS.format(folder=str(folder))
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
        if request.param == "packages":
            (folder / name / "__init__.py").write_text(tells)
    for name in FILES:
        (folder / f"{name}.py").write_text(tells)
    return folder


def executed(folder):
    told = folder / "executed"
    return told.read_text() if told.exists() else ""


def run(command, folder, **environment):
    outcome = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout
    return outcome.stdout


@pytest.fixture(scope="module")
def wheel_install(tmp_path_factory):
    """Python with a wheel of ours; all else it finds where the tests do."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    run([*build, "-w", str(folder), str(REPOSITORY)], folder)
    run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], folder)
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    (wheel,) = folder.glob("*.whl")
    shutil.unpack_archive(wheel, site, "zip")
    # As a path of its own its editable install is not looked at.
    (site / "others.pth").write_text("\n".join(p for p in sys.path if p.endswith("-packages")))
    return folder / "venv/bin/python"


@pytest.fixture(scope="module", params=["editable", pytest.param("wheel", marks=pytest.mark.slow)])
def python(request):
    return request.getfixturevalue("wheel_install") if request.param == "wheel" else sys.executable


# As the script that an install makes: `-m` would search the current folder first, as Python does.
SCRIPT = "import sys; from voxsiam_cli.app import main; main()"


@pytest.fixture
def voxsiam(python, tmp_path):
    script = tmp_path / "bin" / "voxsiam"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    return [str(python), str(script)]


@pytest.mark.slow
def test_the_demo_runs_and_executes_nothing_of_it(voxsiam, foreign):
    host = on_a_host_of_its_own()
    if not host:
        pytest.fail("this kernel lets no user have a host of its own")
    said = run([*host, *voxsiam, "demo", "--preset", "tiny", "-w", "w"], foreign)
    assert "report:" in said
    assert "No module named" not in said
    assert executed(foreign) == ""


def joined():
    address = ray.get_runtime_context().gcs_address
    return {"RAY_ADDRESS": address, "RAY_AUTH_MODE": "token", OUTSIDE: "0"}


def test_preparation_in_a_running_ray_executes_nothing_of_it(ray_instance, voxsiam, foreign):
    source = write_case_folders(foreign.parent / "clinic")
    prepare = ("data", "prepare", str(source), "-o", "prepared", "--grid", "32x32x32", "-w", "w")
    run([*voxsiam, *prepare], foreign, **joined())
    assert executed(foreign) == ""


@pytest.mark.slow
def test_a_submitted_job_executes_nothing_of_it(ray_instance, voxsiam, foreign):
    address = f"http://{ray._private.worker._global_node.webui_url}"  # pyright: ignore
    source = write_case_folders(foreign.parent / "clinic")
    output = foreign.parent / "prepared"
    words = ("data", "prepare", str(source), "-o", str(output), "--grid", "32x32x32")
    where = ("-w", str(foreign.parent / "w"))
    said = run(
        [*voxsiam, "submit", "--address", address, "--", *words, *where], foreign, **joined()
    )
    assert json.loads((output / "prepared.json").read_text()), said
    assert executed(foreign) == ""


def test_mlflows_pages_execute_nothing_of_it(voxsiam, foreign):
    port = free_port()
    (foreign / "w").mkdir()
    command = [*voxsiam, "ui", "-w", "w", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=foreign, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        read_until(process, "Application startup complete")
        process.terminate()
        process.communicate()
    finally:
        process.kill()
        process.wait()
    assert executed(foreign) == ""
