import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.voxsiam.orchestration.toy_study import ToyCases, make_run
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.runs.manifest import hash_results, read_manifest, this_environment
from voxsiam.orchestration.runs.result_files import EPOCHS_FILE
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam.training.recipe import METHOD_VERSION


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two epochs."""
    run = make_run(Workspace(tmp_path_factory.mktemp("w")), epochs=2)
    execute_run(run, ToyCases(), SingleProcess(lambda _: None))
    return run


@pytest.fixture
def altered(run, tmp_path):
    """Write the manifest with something changed, and name the copy."""

    def alter(change):
        content = json.loads(run.manifest_file.read_text())
        change(content)
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps(content))
        return path

    return alter


def test_it_says_all_that_repeats_the_run(run, tmp_path):
    manifest = read_manifest(run.manifest_file)
    again = manifest.plan(tmp_path)
    assert again.model_dump(exclude={"directory"}) == run.model_dump(exclude={"directory"})
    assert again.run_id == manifest.run_id == run.run_id
    assert (manifest.workers, manifest.method_version) == (1, METHOD_VERSION)
    assert manifest.environment == this_environment(torch.device("cpu"))
    assert manifest.environment.libraries["torch"] == torch.__version__


def test_it_holds_no_path_of_the_machine(run):
    assert str(run.directory.parents[1]) not in run.manifest_file.read_text()
    assert "directory" not in json.loads(run.manifest_file.read_text())


def test_it_holds_what_came_out(run):
    manifest, result = read_manifest(run.manifest_file), json.loads(run.result_file.read_text())
    assert manifest.summary == result["summary"]
    assert manifest.last_record == result["records"][-1]
    assert manifest.last_record["epoch"] == 2
    assert set(manifest.files) == {
        "cases.csv", "epochs.csv", "features.npz", "overlay.npz", "predictions.npz",
        "native_predictions.npz", "model/model.json", "model/model.safetensors",
    }  # fmt: skip
    for name, digest in manifest.files.items():
        assert hashlib.sha256((run.directory / name).read_bytes()).hexdigest() == digest


def test_equal_runs_leave_equal_files(run, tmp_path):
    """What a repetition is judged by must not depend on when or where it was written."""
    again = read_manifest(run.manifest_file).plan(tmp_path / "again")
    execute_run(again, ToyCases(), SingleProcess(lambda _: None))
    left = [hash_results(each.directory) for each in (again, run)]
    # It holds the seconds of every epoch.
    assert left[0].pop(EPOCHS_FILE) != left[1].pop(EPOCHS_FILE)
    assert left[0] == left[1]
    ours, theirs = (load_file(each.directory / "model/model.safetensors") for each in (again, run))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def change_recipe(content):
    content["recipe"]["optimiser"]["learning_rate"] *= 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda content: content.update(seed=7), "altered"),
        (change_recipe, "altered"),
        (lambda content: content["split"]["test"].append("x"), "altered"),
        (lambda content: content["data"].update(fingerprint="other"), "altered"),
        (lambda content: content.update(method_version=METHOD_VERSION + 1), "altered"),
        (lambda content: content.update(run="!rm -rf"), "run: Extra inputs"),
        (lambda content: content.update(format_version=2), "format_version"),
        (lambda content: content.update(workers=0), "workers"),
        (lambda content: content["files"].update({"../../x.csv": "0" * 64}), "files"),
        (lambda content: content["files"].update({"cases.csv": "no hash"}), "files"),
        (lambda content: content["summary"].update(dsc=float("nan")), "summary"),
        (lambda content: content.pop("environment"), "environment"),
    ],
)
def test_an_altered_one_is_refused(altered, change, why):
    with pytest.raises(UserError, match="no manifest of a run") as caught:
        read_manifest(altered(change))
    assert why in caught.value.what


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\x00\xff", b"null", b'{"a": ', b"[" * 100_000, b"1" * 10_000,
     b'"' + b"a" * 5 * 2**20 + b'"'],
    ids=["empty", "object", "list", "bytes", "null", "cut", "nested", "digits", "huge"],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(tmp_path, content):
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no manifest of a run"):
        read_manifest(path)


def test_a_cut_one_is_refused_wherever_it_is_cut(run, tmp_path):
    whole, path = run.manifest_file.read_bytes(), tmp_path / "manifest.json"
    for length in range(0, len(whole.rstrip()), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError):
            read_manifest(path)


def test_a_missing_one_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_manifest(tmp_path / "nothing")
    for no_file in (tmp_path, Path("/dev/zero")):
        with pytest.raises(UserError, match="no regular file"):
            read_manifest(no_file)


def test_differences_of_environments_are_named(run):
    old = read_manifest(run.manifest_file).environment
    libraries = {**old.libraries, "torch": "9.9"}
    new = old.model_copy(update={"threads": old.threads + 3, "libraries": libraries})
    assert old.differences(old) == []
    assert old.differences(new) == [
        f"threads: {old.threads + 3}, was {old.threads}",
        f"torch: 9.9, was {torch.__version__}",
    ]
