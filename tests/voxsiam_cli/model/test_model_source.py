import logging

import pytest
from mlflow.tracking import MlflowClient

from tests.voxsiam.inference.small_models import CPU, write_random_model
from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.durable_files import write_json
from voxsiam.errors import UserError
from voxsiam.inference.model_folder import load_model
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking.run_store import download_model
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.model.model_source import find_model


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An MLflow store in a folder with a space, and a finished run that holds a model."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    workspace = Workspace(tmp_path_factory.mktemp("a workspace"))
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.create_experiment("voxsiam", workspace.artifacts.as_uri())
    model = write_random_model(workspace.root / "model")
    run = add_run(client, experiment, model)
    return workspace, client, experiment, run


def add_run(client, experiment, model=None, name="feature (3) s0"):
    tags = {"voxsiam.kind": "trial"}
    run = client.create_run(experiment, run_name=name, tags=tags)
    if model is not None:
        client.log_artifacts(run.info.run_id, str(model), "model")
    client.set_terminated(run.info.run_id, "FINISHED")
    return run.info.run_id


def same_model(folder, expected):
    return (folder / "model.json").read_bytes() == (expected / "model.json").read_bytes() and (
        load_model(folder, CPU).weights_sha256 == load_model(expected, CPU).weights_sha256
    )


def test_a_folder_is_itself_and_a_run_folder_holds_its_model(tmp_path):
    folder = write_random_model(tmp_path / "run" / "model")
    assert find_model(str(folder), tmp_path / "none") == folder
    assert find_model(str(tmp_path / "run"), tmp_path / "none") == folder
    assert not (tmp_path / "none").exists()


def test_the_model_of_an_mlflow_run_is_found_and_nothing_is_written_into_the_workspace(store):
    workspace, _, _, run = store
    before = sorted(workspace.root.rglob("*"))
    folder = find_model(run, workspace.root)
    assert same_model(folder, workspace.root / "model")
    assert not folder.is_relative_to(workspace.root)
    assert sorted(workspace.root.rglob("*")) == before


def test_only_the_two_files_of_a_model_are_copied(store, tmp_path):
    workspace, client, _, run = store
    (tmp_path / "extra.pkl").write_bytes(b"\x80\x04.")
    client.log_artifact(run, str(tmp_path / "extra.pkl"), "model")
    folder = download_model(workspace.tracking_uri, run, tmp_path / "copy")
    assert {path.name for path in folder.iterdir()} == {"model.json", "model.safetensors"}


def test_runs_that_are_not_there_or_hold_no_model_are_refused_with_those_that_do(store):
    workspace, client, experiment, run = store
    bare = add_run(client, experiment, name="no model")
    for missing in ("0" * 32, bare):
        with pytest.raises(UserError, match="No model can be read") as caught:
            find_model(missing, workspace.root)
        assert missing in caught.value.where
        assert f"{run} (feature (3) s0)" in caught.value.fix
    assert not (workspace.cache / "models" / bare).exists()


def test_a_missing_store_is_not_made(tmp_path):
    with pytest.raises(UserError, match="no MLflow store"):
        find_model("0" * 32, tmp_path)
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    "location", ["file:///etc", "{root}/../..", "{root}/%2e%2e", "{root}/%252e%252e/x"]
)
def test_artifacts_outside_the_run_are_refused(store, location, tmp_path):
    workspace, client, _, _ = store
    location = location.format(root=workspace.artifacts.as_uri())
    experiment = client.create_experiment(f"elsewhere {location}", location)
    run = add_run(client, experiment)
    with pytest.raises(UserError, match=r"own folder|No model"):
        download_model(workspace.tracking_uri, run, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_links_out_of_the_run_are_refused(store, tmp_path):
    workspace, client, experiment, _ = store
    run = add_run(client, experiment, workspace.root / "model")
    weights = workspace.artifacts / run / "artifacts" / "model" / "model.safetensors"
    weights.unlink()
    weights.symlink_to("/etc/hostname")
    with pytest.raises(UserError, match="own folder"):
        download_model(workspace.tracking_uri, run, tmp_path / "copy")


def test_a_server_cannot_name_files_of_this_machine(store, tmp_path, monkeypatch):
    workspace, _, _, run = store
    local = MlflowClient(workspace.tracking_uri)
    monkeypatch.setattr(MlflowClient, "tracking_uri", "http://127.0.0.1:9")
    monkeypatch.setattr("voxsiam.orchestration.tracking.store.MlflowClient", lambda _: local)
    with pytest.raises(UserError, match="own folder"):
        download_model("http://127.0.0.1:9", run, tmp_path / "copy")


@pytest.fixture
def study(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    plan = make_plan(workspace)
    Ledger.create(workspace, plan)
    for seed, trial in enumerate(plan.trials[:2]):
        write_random_model(trial.run.directory / "model", seed=seed)
        write_json(trial.run.result_file, {})
    return workspace, plan


def test_a_row_of_a_study_is_found_by_its_name_and_seed(study):
    workspace, plan = study
    expected = plan.trials[1].run.directory / "model"
    assert find_model("table3/feature (2)", workspace.root) == expected
    assert find_model("table3/feature (2)/0", workspace.root) == expected


def test_the_only_row_of_a_study_needs_no_name(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    plan = make_plan(workspace, rows=1)
    Ledger.create(workspace, plan)
    run = plan.trials[0].run
    write_random_model(run.directory / "model")
    write_json(run.result_file, {})
    assert find_model("table3", workspace.root) == run.directory / "model"


def test_a_name_that_two_studies_have_is_refused_with_the_choices(study):
    """A trial of another size must not change what the same command means."""
    workspace, plan = study
    Ledger.create(workspace, plan.model_copy(update={"study_id": "table3-tiny-1"}))
    for text in ("table3/feature (2)", "table3/feature (2)/0"):
        with pytest.raises(UserError, match="'table3' means 2 different studies") as caught:
            find_model(text, workspace.root)
        assert "table3-tiny-1 (" in caught.value.fix
        assert "table3-toy (" in caught.value.fix
    expected = plan.trials[1].run.directory / "model"
    assert find_model("table3-toy/feature (2)", workspace.root) == expected
    with pytest.raises(UserError, match="There is no model") as caught:
        find_model("table4/feature (2)", workspace.root)
    assert "'table3-toy/feature (1)/0'" in caught.value.fix


def test_an_unfinished_row_is_refused(study):
    workspace, _ = study
    with pytest.raises(UserError, match=r"'feature \(3\), seed 0' .* no model yet: it is pending"):
        find_model("table3/feature (3)", workspace.root)


@pytest.mark.parametrize(
    "text",
    ["table3/feature (2)/1", "table4/feature (2)", "table3/feature", "table3", "no/such"],
)
def test_unknown_models_are_refused_with_a_list(study, text):
    workspace, _ = study
    with pytest.raises(UserError, match="There is no model") as caught:
        find_model(text, workspace.root)
    assert "'table3/feature (1)/0', 'table3/feature (2)/0'" in caught.value.fix


def test_an_empty_workspace_is_not_made(tmp_path):
    with pytest.raises(UserError, match="There is no model") as caught:
        find_model("table3/feature (2)", tmp_path / "workspace")
    assert "train one" in caught.value.fix
    assert f"looked for a workspace in {tmp_path / 'workspace'}" in caught.value.where
    assert not (tmp_path / "workspace").exists()
