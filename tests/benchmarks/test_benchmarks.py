"""Each benchmark runs to its end at its smallest size, and what it prints can be read.

How long something takes is no matter here: times are measured by hand (docs/benchmarks.md).
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.own_host import on_a_host_of_its_own
from tests.test_architecture import ROOT

FOLDER = ROOT / "platform" / "benchmarks"
RATIO = r"baseline (?P<base>[\d.]+) ms, ours (?P<ours>[\d.]+) ms, ratio (?P<ratio>[\d.]+) \("


@dataclass(frozen=True)
class Small:
    """A benchmark at its smallest size.

    Attributes:
        arguments: After its name.
        ratios: Comparisons that it prints.
        lines: What else it prints, each pattern's numbers with their bounds.
        starts_ray: Whether it starts a Ray instance.
    """

    arguments: str
    ratios: int = 0
    lines: tuple[tuple[str, tuple[tuple[float, float], ...]], ...] = ()
    starts_ray: bool = False


NUMBER = r"([-+.\de]+)"
ANY = (0.0, float("inf"))
AGREES = rf"against MONAI: Dice {NUMBER}, least {NUMBER}; {NUMBER} of the voxels"
SMALL = {
    "comparisons": Small("--size 3 2 6 --rounds 1", ratios=1),
    "feature_loss": Small(
        "--voxels 512 --rounds 1",
        ratios=1,
        lines=(
            (rf"difference: value {NUMBER}, gradient {NUMBER}", ((0, 1e-5), (0, 1e-5))),
            (rf"4096 voxels: +{NUMBER} ms", (ANY,)),
        ),
    ),
    "growth": Small(
        "--cases 3 6",
        lines=((rf"6 cases\n(?:.*\n)*  memory: {NUMBER} KiB a case", (ANY,)),),
        starts_ray=True,
    ),
    "many_organs": Small(
        "--grid 32x32x16 --rounds 1",
        ratios=2,
        lines=((rf"peak memory of a training: {NUMBER} GiB with 8 organs, {NUMBER}", (ANY, ANY)),),
    ),
    "many_runs": Small(
        "--runs 3 --cases 4 --epochs 2",
        lines=(
            (rf"report: {NUMBER} CPU s", (ANY,)),
            (rf"verify --quick: {NUMBER} times the report", (ANY,)),
            (rf"cold page: {NUMBER} CPU s", (ANY,)),
            (rf"tick, nothing new: {NUMBER} CPU s", (ANY,)),
            (rf"tick, one epoch more: {NUMBER} CPU s", (ANY,)),
        ),
    ),
    "open_ports": Small(
        "",
        lines=(
            (r"a run created \| 127.0.0.1 \| no \| HTTP (\d+)", ((200, 200),)),
            (r"another host name \| 127.0.0.1 \| no \| HTTP (\d+)", ((403, 403),)),
        ),
        starts_ray=True,
    ),
    "peak_memory": Small(
        "-- " + sys.executable + " -c pass", lines=((rf"peak memory {NUMBER} GiB", (ANY,)),)
    ),
    "predict": Small(
        "--scan 96 96 40 --grid 32x32x16 --width 8 --rounds 1",
        ratios=1,
        lines=(
            (rf"Dice with the phantom {NUMBER}, least {NUMBER}", ((0.6, 1), (0.4, 1))),
            (f"float32 {AGREES}", ((0.999, 1), (0.995, 1), (0, 1e-3))),
        ),
    ),
    "prepare": Small(
        "--rounds 1", ratios=1, lines=((rf"ours: {NUMBER} volumes of memory", ((0, 6),)),)
    ),
    "stream": Small("--cases 4 --rounds 1", ratios=2, starts_ray=True),
    "submit": Small(
        "--rounds 1", lines=((rf"first step, data given: {NUMBER} s", (ANY,)),), starts_ray=True
    ),
    "surface_distances": Small(
        "--rounds 1 --scan-rounds 1",
        ratios=4,
        lines=((rf"MONAI's HD95 {NUMBER}, its mean {NUMBER} ", ((0, 1e-3), (0, 1e-3))),),
    ),
    "tracking": Small("--writers 2 --epochs 3", lines=((r"lost +(\d+)", ((0, 0),)),)),
    "train_step": Small("--rounds 1", ratios=1),
    "workers": Small(
        "--grid 32x32x32 --width 4 --cases 5 --epochs 3 --rounds 1", ratios=5, starts_ray=True
    ),
}
IN_TESTS_OF_THEIR_OWN = {
    "case_viewer", "dashboard", "many_trials", "pairs", "reference_step", "study_store",
}  # fmt: skip

pytestmark = pytest.mark.slow


def run(name, arguments, folder, *, starts_ray=False):
    before = on_a_host_of_its_own() if starts_ray else []
    command = [*before, sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=550
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def read(text, small):
    """Check the numbers of a benchmark's output."""
    found = list(re.finditer(RATIO, text))
    assert len(found) == small.ratios, text
    for each in found:
        assert float(each["base"]) > 0
        assert float(each["ours"]) > 0
        assert float(each["ratio"]) > 0
    for pattern, bounds in small.lines:
        told = re.search(pattern, text)
        assert told, f"{pattern} is not in:\n{text}"
        for number, (least, most) in zip(told.groups(), bounds, strict=True):
            assert least <= float(number) <= most, told[0]


def test_every_benchmark_is_run_here():
    assert {path.stem for path in FOLDER.glob("*.py")} == SMALL.keys() | IN_TESTS_OF_THEIR_OWN


@pytest.mark.parametrize("name", SMALL)
def test_it_runs_and_its_result_is_read(name, tmp_path):
    small = SMALL[name]
    read(run(name, small.arguments.split(), tmp_path, starts_ray=small.starts_ray), small)


def test_sleeping_trials_all_end(tmp_path):
    arguments = ["--trials", "3", "--slots", "2", "--seconds", "0.5"]
    found = json.loads(run("many_trials", arguments, tmp_path, starts_ray=True))
    assert found["finished"] == found["trials"] == 3
    assert found["driver_busy_ms_a_trial"].keys() == {"ledger", "MLflow"}


def test_the_reference_runs_beside_ours(tmp_path):
    """The one package that is not installed with the rest: it is fetched as its page says."""
    wanted = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", "theirs"]
    subprocess.run([*wanted, "pytorch3dunet==1.9.6"], cwd=tmp_path, check=True)
    read(run("reference_step", ["theirs", "--rounds", "1"], tmp_path), Small("", ratios=1))
    curves = run("reference_step", ["theirs", "--curves", "--steps", "2"], tmp_path)
    told = re.search(rf"loss over 2 steps: apart by {NUMBER}% on average", curves)
    assert told
    assert float(told[1]) < 1


@pytest.fixture
def chromium_program():
    if not any(map(shutil.which, ("chromium", "google-chrome"))):
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")


@pytest.mark.browser
def test_the_dashboard_is_driven(tmp_path, chromium_program):
    text = run("dashboard", ["--studies", "3", "--trials", "2", "--metrics", "3"], tmp_path)
    assert len(re.findall(RATIO, text)) == 1, text


@pytest.mark.browser
def test_the_viewer_is_driven(tmp_path, chromium_program):
    found = json.loads(run("case_viewer", ["--steps", "5", "--shape", "24", "64", "64"], tmp_path))
    steps = found["step ms (median, 95 %)"]
    assert steps.keys() == {"axial", "coronal", "sagittal", "axial with the error map"}
    assert all(0 < median <= most for median, most in steps.values())
