from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.workspace import Workspace
from voxsiam_experiments.recipes import unet3d, voxel_simsiam


def tags_of(tmp_path, recipe):
    plan = make_plan(Workspace(tmp_path))
    trial = plan.trials[0]
    run = trial.run.model_copy(update={"recipe": recipe})
    return trial, parent_of_study(plan).tags_of(trial.model_copy(update={"run": run}))


def test_a_run_can_be_found_by_what_a_reader_looks_for(tmp_path):
    trial, tags = tags_of(tmp_path, voxel_simsiam())
    assert tags["voxsiam.preset"] == "tiny"
    assert tags["voxsiam.data_name"] == trial.run.data.name
    assert tags["voxsiam.data_kind"] == trial.run.data.kind
    assert tags["voxsiam.method"] == "simsiam"
    assert tags["voxsiam.train_cases"] == str(len(trial.run.split.train))


def test_the_description_says_what_was_trained(tmp_path):
    trial, tags = tags_of(tmp_path, voxel_simsiam())
    note = tags["mlflow.note.content"]
    assert note.startswith(f"**{trial.row}**, seed {trial.run.seed} of **table3** (tiny): ")
    assert "unet3d with simsiam on 3 layers, weight 10, 500 epochs" in note
    _, alone = tags_of(tmp_path / "other", unet3d())
    assert "unet3d without a feature loss" in alone["mlflow.note.content"]
    assert alone["voxsiam.method"] == "none"
