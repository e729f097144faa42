"""One run from training to the files it leaves, without Ray."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan, make_run
from tests.voxsiam.training.toy import make_volume
from voxsiam.inference.model_folder import read_description
from voxsiam.metrics.case_scores import NativePair, score_case
from voxsiam.metrics.scoring_rules import DistanceConfig, ScoringRules
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.runs.result_files import TEST_FILES
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam.types import PAPER_ORGANS, NativeReference, Volume
from voxsiam.volumes.placement import whole_box
from voxsiam_dashboards.store.trial_files import (
    read_cases,
    read_features,
    read_overlay,
    read_prediction,
)


def execute(run):
    execute_run(run, ToyCases(), SingleProcess(lambda _: None))


def features_of(run):
    with np.load(run.directory / "features.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


def test_features_of_all_test_cases_are_kept_the_same_voxels_for_every_seed_and_method(workspace):
    runs = make_run(workspace, epochs=1), make_run(workspace, epochs=1, layers=3, seed=1)
    for run in runs:
        execute(run)
    ours, theirs = (features_of(run) for run in runs)
    assert ours["case_ids"].tolist() == ["t", "u"]
    for level in (1, 2, 3):
        assert {0, 1} == set(ours[f"level_{level}_cases"])
        for name in ("classes", "cases"):
            np.testing.assert_array_equal(
                ours[f"level_{level}_{name}"], theirs[f"level_{level}_{name}"]
            )
        assert (ours[f"level_{level}_features"] != theirs[f"level_{level}_features"]).any()


def test_predictions_of_all_test_cases_are_kept_as_they_were_scored(workspace):
    run = make_run(workspace, epochs=1)
    execute(run)
    file = run.directory / "predictions.npz"
    overlay = read_overlay(run.directory / "overlay.npz")
    np.testing.assert_array_equal(read_prediction(file, overlay.case_id), overlay.prediction)
    for line in read_cases(run.directory / "cases.csv").to_dict("records"):
        voxels = read_prediction(file, line["case_id"]) == PAPER_ORGANS.index(line["organ"]) + 1
        assert np.count_nonzero(voxels) == line["predicted_voxels"]


@pytest.mark.parametrize(
    "distances",
    [DistanceConfig(), DistanceConfig(hd95="larger_directed", assd="pooled")],
    ids=["default", "other readings"],
)
def test_every_case_is_scored_against_its_own_label_on_both_grids(workspace, distances):
    """Anew from the kept voxels: the case's own label, each grid's own spacing, the recipe's
    distances."""
    run = make_run(workspace, epochs=1)
    recipe = run.recipe.with_changes(scoring=distances)
    run = run.model_copy(update={"recipe": recipe})
    execute(run)
    written = read_cases(run.directory / "cases.csv").to_dict("records")
    files = run.directory / "predictions.npz", run.directory / "native_predictions.npz"
    rules = ScoringRules(distances=distances)
    expected = []
    for case_id in run.split.test:
        volume, reference = make_volume(case_id), ToyCases().native(case_id)
        assert reference.spacing_mm != volume.spacing_mm
        on_grid, on_scan = (read_prediction(file, case_id) for file in files)
        native = NativePair(on_scan, reference.label, reference.spacing_mm)
        spacing_mm = volume.spacing_mm
        expected += score_case(case_id, on_grid, volume.label, spacing_mm, native, rules)
    assert len(written) == len(expected) == 2 * len(PAPER_ORGANS)
    for line, score in zip(written, expected, strict=True):
        assert line == pytest.approx(asdict(score), nan_ok=True)
    assert any(line["hd95_mm_native"] != line["hd95_mm_grid"] for line in written)


def without_test_cases(run):
    return run.model_copy(update={"split": run.split.model_copy(update={"test": ()})})


def test_a_run_without_test_cases_ends_well_and_is_tracked(workspace):
    plan = make_plan(workspace, rows=1)
    run = without_test_cases(plan.trials[0].run)
    plan = plan.model_copy(update={"trials": (plan.trials[0].model_copy(update={"run": run}),)})
    run.directory.mkdir(parents=True)
    execute(run)
    assert json.loads(run.result_file.read_text())["summary"] == {}
    left = {name for name in TEST_FILES if (run.directory / name).exists()}
    assert left == {"cases.csv", "epochs.csv"}
    assert len(read_cases(run.directory / "cases.csv")) == 0

    tracker = StudyTracker(workspace, parent_of_study(plan))
    tracker.complete_finished(list(plan.trials))
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_run(tracker.parent).info.experiment_id
    (tracked,) = client.search_runs([experiment], "tags.`voxsiam.kind` = 'trial'")
    assert tracked.info.status == "FINISHED"
    assert not any(name.startswith("test/") for name in tracked.data.metrics)
    files = client.list_artifacts(tracked.info.run_id, "test")
    assert [file.path for file in files] == ["test/cases.csv", "test/epochs.csv"]


def test_all_test_files_are_tracked(workspace):
    plan = make_plan(workspace, rows=1)
    execute(plan.trials[0].run)
    tracker = StudyTracker(workspace, parent_of_study(plan))
    tracker.complete_finished(list(plan.trials))
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_run(tracker.parent).info.experiment_id
    (tracked,) = client.search_runs([experiment], "tags.`voxsiam.kind` = 'trial'")
    files = {file.path for file in client.list_artifacts(tracked.info.run_id, "test")}
    assert files == {f"test/{name}" for name in TEST_FILES}


def test_a_finished_run_is_left_as_it_is(workspace):
    class NoCases(ToyCases):
        def __call__(self, case_id):
            raise AssertionError(f"{case_id} was read")

    run = make_run(workspace, epochs=1)
    execute(run)
    before = {path: path.stat().st_mtime_ns for path in run.directory.rglob("*")}
    execute_run(run, NoCases(), SingleProcess(lambda _: None))
    assert {path: path.stat().st_mtime_ns for path in run.directory.rglob("*")} == before


OTHERS = ("aorta", "lung", "trachea")


class OtherCases:
    """Cases of three organs, one of which a case's annotator left out."""

    def __call__(self, case_id: str) -> Volume:
        volume = make_volume(case_id)
        annotated = OTHERS if case_id != "t" else OTHERS[:2]
        label = np.where(volume.label > len(annotated), 0, volume.label)
        return replace(volume, label=label, organs=OTHERS, annotated=annotated)

    def native(self, case_id: str) -> NativeReference:
        label = self(case_id).label.repeat(2, axis=0)
        return NativeReference(label, (1.5, 2.0, 2.0), whole_box(label.shape))


def test_a_run_knows_no_organs_but_those_of_its_data(workspace):
    run = make_run(workspace, epochs=1, layers=2)
    network = run.recipe.network.model_copy(update={"num_classes": 4})
    recipe = run.recipe.with_changes(network=network)
    data = run.data.model_copy(update={"organs": OTHERS})
    run = run.model_copy(update={"recipe": recipe, "data": data, "taught": OTHERS})
    execute_run(run, OtherCases(), SingleProcess(lambda _: None))
    scores = read_cases(run.directory / "cases.csv", OTHERS)
    for case_id, organs in (("t", OTHERS[:2]), ("u", OTHERS)):
        assert tuple(scores.loc[scores["case_id"] == case_id, "organ"]) == organs
    record = json.loads(run.result_file.read_text())
    named = {name for name in (*record["summary"], *record["records"][0]) if "/" in name}
    assert {f"train/sampled/layer_2/{name}" for name in ("background", *OTHERS)} <= named
    assert not [name for name in named for organ in PAPER_ORGANS if name.endswith(f"/{organ}")]
    description, _ = read_description(run.directory / "model")
    assert description.organs == description.taught == OTHERS
    read_features(run.directory / "features.npz", OTHERS)
