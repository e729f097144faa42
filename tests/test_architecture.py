"""The house's rules that no linter knows."""

import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import typer

from voxsiam_cli.app import app

ROOT = Path(__file__).resolve().parents[1]
SOURCE_ROOTS = {
    "platform": {"voxsiam", "voxsiam_cli", "voxsiam_api"},
    "data_pipelines": {"voxsiam_data"},
    "experiments": {"voxsiam_experiments"},
    "dashboards": {"voxsiam_dashboards"},
}
"""The four rooms of the project: folders without code of their own, and the packages they hold."""


def tracked():
    listed = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    found = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in found.splitlines() if (ROOT / line).exists()]


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_a_source_root_is_never_a_package(root):
    assert not list((ROOT / root).glob("*.py"))
    packages = {path.parent.name for path in (ROOT / root).glob("*/__init__.py")}
    assert packages == SOURCE_ROOTS[root]
    assert all((ROOT / root / package / "py.typed").exists() for package in packages)


def test_the_standard_library_keeps_the_name_platform():
    assert platform.system()
    code = "import sys; sys.path.insert(0, '.'); import platform, torch; print(platform.system())"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == platform.system()


def test_the_packages_at_the_root_are_the_known_ones():
    found = {
        path.parts[0] for path in tracked() if path.name == "__init__.py" and len(path.parts) > 1
    }
    assert found == {*SOURCE_ROOTS, "tests"}


def test_the_wheel_puts_only_names_of_our_own_into_site_packages(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == set.union(*SOURCE_ROOTS.values())
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert any(name.endswith(".dist-info/sboms/voxsiam.cdx.json") for name in names)
    sources = {path for path in tracked() if path.parts[1:2] and path.parts[1] in packages}
    assert {str(Path(*path.parts[1:])) for path in sources if path.parts[0] in SOURCE_ROOTS} == {
        name for name in names if ".dist-info/" not in name
    }


def test_no_file_is_called_a_utility():
    names = {path.stem for path in tracked() if path.suffix == ".py"}
    assert not names & {"utils", "util", "helpers", "common", "base", "manager", "misc"}


def test_nothing_is_loaded_that_could_run():
    for path in tracked():
        if path.suffix == ".py" and path.parts[0] != "tests":
            text = (ROOT / path).read_text()
            for word in ("import pickle", "torch.load(", "weights_only=False", "allow_pickle=True"):
                assert word not in text, f"{path}: {word}"


def test_torch_is_pinned():
    assert '    "torch==2.13.0",\n' in (ROOT / "pyproject.toml").read_text()


COMMANDS = {
    "": {"--debug", "--help"},
    "data describe": {"--json"},
    "data phantom": {"--anatomy", "--cases", "--output", "--seed"},
    "data check": {
        "--geometry",
        "--ignore",
        "--json",
        "--labels",
        "--organs",
        "--output",
        "--protocol",
    },
    "data fetch": {"--output"},
    "data publish": set(),
    "data prepare": {
        "--allow-missing",
        "--btcv",
        "--checks",
        "--geometry",
        "--grid",
        "--ignore",
        "--labels",
        "--leave-out-refused",
        "--organs",
        "--output",
        "--pancreas-ct",
        "--paper",
        "--patience",
        "--protocol",
        "--set",
        "--workspace",
        "--zenodo",
    },
    "data sources": {"--json"},
    "data split": {
        "--fold",
        "--folds",
        "--fraction",
        "--from",
        "--json",
        "--output",
        "--seed",
        "--test-fraction",
        "--validation-fraction",
    },
    "data statistics": {"--json", "--split"},
    "data verify": {"--json"},
    "dashboard": {"--data", "--host", "--mlflow-ui", "--port", "--workspace"},
    "demo": {"--patience", "--preset", "--workspace"},
    "doctor": {"--json", "--workspace"},
    "evaluate": {
        "--csv",
        "--geometry",
        "--ignore",
        "--labels",
        "--grid",
        "--json",
        "--missed-distance",
        "--hd95",
        "--assd",
        "--organ",
        "--output",
        "--prediction-protocol",
        "--predictions",
        "--protocol",
        "--references",
    },
    "jobs free": set(),
    "jobs list": {"--address", "--json"},
    "jobs logs": {"--address", "--follow"},
    "jobs status": {"--address", "--json"},
    "jobs stop": {"--address", "--force", "--owner", "--patience"},
    "models": {"--json"},
    "predict": {
        "--device",
        "--geometry",
        "--ignore",
        "--input",
        "--model",
        "--output",
        "--probabilities",
        "--report",
        "--workspace",
    },
    "study compare": {"--json", "--workspace"},
    "study list": {"--json"},
    "study new": set(),
    "study report": {"--all", "--output", "--workspace"},
    "study resume": {"--patience", "--workspace"},
    "study run": {
        "--data",
        "--dry-run",
        "--gpu-share",
        "--owner",
        "--patience",
        "--preset",
        "--seeds",
        "--set",
        "--split",
        "--workers",
        "--workspace",
    },
    "study status": {"--json", "--workspace"},
    "study rerun": {"--data", "--json", "--patience", "--workspace"},
    "study verify": {"--json", "--quick", "--workspace"},
    "sweep list": {"--json"},
    "sweep report": {"--output", "--workspace"},
    "sweep resume": {"--patience", "--workspace"},
    "sweep run": {
        "--base",
        "--data",
        "--dry-run",
        "--gpu-hours",
        "--gpu-share",
        "--hours",
        "--objective",
        "--over",
        "--owner",
        "--patience",
        "--preset",
        "--sampler",
        "--seeds",
        "--set",
        "--split",
        "--stop-early",
        "--trials",
        "--workers",
        "--workspace",
    },
    "sweep status": {"--json", "--workspace"},
    "submit": {"--address", "--again", "--detach", "--owner", "--python"},
    "train": {
        "--data",
        "--gpu-share",
        "--owner",
        "--patience",
        "--preset",
        "--seeds",
        "--set",
        "--split",
        "--workers",
        "--workspace",
    },
    "tracking replay": {"--workspace"},
    "tracking serve": {
        "--allowed-host",
        "--artifacts",
        "--host",
        "--login",
        "--port",
        "--store",
        "--workers",
        "--workspace",
    },
    "ui": {"--port", "--workspace"},
    "workspace repair": {"--dry-run", "--workspace"},
}


def options_of(command, path=()):
    for name, child in getattr(command, "commands", {}).items():
        yield from options_of(child, (*path, name))
    if not getattr(command, "commands", None):
        yield " ".join(path), {o for p in command.params for o in p.opts if o.startswith("--")}


def test_the_command_line_is_frozen():
    """A new option is a decision: hyper-parameters go through --set."""
    found = dict(options_of(typer.main.get_command(app)))
    expected = {name: options - {"--help"} for name, options in COMMANDS.items() if name}
    assert found == expected


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command):
    run = subprocess.run(
        [sys.executable, "-m", "voxsiam_cli", *command.split(), "--help"],
        capture_output=True, text=True, check=False, cwd=ROOT / "platform",
    )  # fmt: skip
    assert run.returncode == 0
    assert "Usage" in run.stdout
