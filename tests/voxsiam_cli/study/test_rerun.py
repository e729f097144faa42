import json
import logging

import pytest
from mlflow.tracking import MlflowClient

from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.runs.manifest import read_manifest
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam.training.recipe import METHOD_VERSION
from voxsiam_cli.study.rerun import _planned_data, _require_method, find_manifest


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of one row, finished."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    workspace = Workspace(tmp_path_factory.mktemp("w"))
    plan = make_plan(workspace, rows=1)
    Ledger.create(workspace, plan)
    execute_run(plan.trials[0].run, ToyCases(), SingleProcess(lambda _: None))
    return workspace, plan


def test_a_file_a_folder_a_row_and_an_mlflow_run_are_the_same_manifest(study):
    workspace, plan = study
    run = plan.trials[0].run
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.create_experiment("voxsiam", workspace.artifacts.as_uri())
    tracked = client.create_run(experiment).info.run_id
    client.log_artifact(tracked, str(run.manifest_file))
    expected = read_manifest(run.manifest_file)
    named = (
        run.manifest_file,
        run.directory,
        "table3/feature (1)/0",
        "table3/feature (1)",
        tracked,
    )
    for text in map(str, named):
        assert find_manifest(text, workspace.root) == expected


@pytest.mark.parametrize("text", ["table3/feature (9)", "nowhere", "0" * 32])
def test_what_is_not_there_is_refused(study, text):
    with pytest.raises(UserError):
        find_manifest(text, study[0].root)


def test_an_altered_seed_is_refused(study, tmp_path):
    content = json.loads(study[1].trials[0].run.manifest_file.read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(content | {"seed": 5}))
    with pytest.raises(UserError, match="altered"):
        find_manifest(str(tmp_path), study[0].root)


def test_another_method_is_refused_with_both_versions(study):
    manifest = read_manifest(study[1].trials[0].run.manifest_file)
    _require_method(manifest)
    with pytest.raises(UserError, match=f"version {METHOD_VERSION + 1} .* {METHOD_VERSION}"):
        _require_method(manifest.model_copy(update={"method_version": METHOD_VERSION + 1}))


def test_the_data_are_those_of_the_study_that_planned_it(study, tmp_path):
    workspace, plan = study
    manifest = read_manifest(plan.trials[0].run.manifest_file)
    assert _planned_data(manifest, workspace) == plan.prepared
    with pytest.raises(UserError, match="data are not known") as caught:
        _planned_data(manifest, Workspace(tmp_path / "empty"))
    assert "--data" in caught.value.fix
