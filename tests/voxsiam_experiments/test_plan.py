from itertools import pairwise
from pathlib import Path

import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.workspace import Workspace
from voxsiam.types import PAPER_ORGANS, Split
from voxsiam.volumes.preparation import PreparationConfig
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.prepared.record import PreparedCase
from voxsiam_experiments.backbones import TABLE as BACKBONES
from voxsiam_experiments.plan import plan_study, request_id
from voxsiam_experiments.presets import PRESETS, Choices
from voxsiam_experiments.studies import TABLES
from voxsiam_experiments.table3 import TABLE

TINY = PRESETS["tiny"]
OF_THE_PAPER = [table for table in TABLES.values() if table.number]


def prepared_set(cases):
    """A prepared set as planning sees it; no volume is read."""
    grid = (32, 32, 32)
    described = tuple(
        PreparedCase(
            case_id=f"case{i}", patient_id=f"patient{i // 2}", source="toy", key=f"{i:016x}",
            shape=grid, spacing_mm=(3.0, 2.0, 2.0), native_shape=grid,
            native_spacing_mm=(3.0, 2.0, 2.0), organ_voxels=dict.fromkeys(PAPER_ORGANS, 9),
            annotated=PAPER_ORGANS,
        )
        for i in range(cases)
    )  # fmt: skip
    config = PreparationConfig(grid_dhw=grid)
    return PreparedSet(
        root=Path("prepared"), name="toy", kind="phantom", fingerprint=f"{cases:016x}",
        config=config, cases=described,
    )  # fmt: skip


@pytest.fixture
def plan(tmp_path):
    def make(cases=8, preset=TINY, **choices):
        prepared = prepared_set(cases)
        return plan_study(TABLE, preset, prepared, Choices(**choices), Workspace(tmp_path))

    return make


def test_every_row_and_seed_on_one_split(plan):
    study = plan(seeds=3)
    assert [(t.row, t.run.seed) for t in study.trials] == [
        (row.label, seed) for row in TABLE.rows for seed in range(3)
    ]
    assert len({trial.run.run_id for trial in study.trials}) == 9
    assert len({trial.run.split for trial in study.trials}) == 1
    split = study.trials[0].run.split
    assert split.disjoint()
    assert len(split.train + split.validation + split.test) == 8


def test_numerics_are_settled_once_for_all_rows(plan):
    settled = [trial.run.recipe.numerics for trial in plan().trials]
    numerics = {(each.autocast, each.memory_format) for each in settled}
    assert numerics == {("float32", "contiguous")}


def test_equal_requests_are_one_study_and_others_are_not():
    def name(cases=8, **choices):
        return request_id(TABLE, TINY, prepared_set(cases), Choices(**choices))

    assert name() == name(seeds=1, workers=1)
    others = [name(9), name(seeds=2), name(workers=2), name(overrides=["epochs=3"])]
    assert len({name(), *others}) == 5


def test_fewer_training_cases_than_workers_are_refused(plan):
    with pytest.raises(UserError, match="2 training cases cannot feed 3 workers"):
        plan(cases=4, workers=3)


def test_settings_that_change_or_limit_nothing_are_said(plan):
    assert any("53 a layer and batch, 31 of them" in note for note in plan().notes)
    inactive = plan(overrides=["feature_loss.sampling.max_voxels=100000"]).notes
    assert any("the deepest layer has 256 voxels a batch" in note for note in inactive)


def test_a_study_on_fixed_lists(plan):
    fixed = Split(train=("case0", "case1", "case4"), validation=("case6",), test=("case2",))
    assert all(trial.run.split == fixed for trial in plan(split=fixed).trials)
    assert plan(split=fixed).study_id != plan().study_id


def test_fixed_lists_that_leak_are_refused(plan):
    with pytest.raises(UserError, match="belong to one patient") as caught:
        plan(split=Split(train=("case0",), test=("case1",)))
    assert caught.value.where == "--split"


def test_a_row_with_a_share_of_the_labels_trains_on_it_and_is_tested_alike(tmp_path):
    prepared = prepared_set(30)
    study = plan_study(TABLES["fig7"], TINY, prepared, Choices(), Workspace(tmp_path))
    splits = {trial.row: trial.run.split for trial in study.trials}
    assert len({(split.validation, split.test) for split in splits.values()}) == 1
    trains = [set(split.train) for row, split in splits.items() if row.startswith("Ours")]
    assert all(small < large for small, large in pairwise(trains))
    assert all(splits[row].train == splits[row.replace("Ours", "3D U-Net")].train for row in splits)
    assert len(trains[0]) == pytest.approx(len(trains[-1]) / 10, abs=1)


def test_a_run_knows_the_organs_that_its_training_cases_show(tmp_path):
    prepared = prepared_set(8)
    known = plan_study(TABLE, TINY, prepared, Choices(), Workspace(tmp_path)).trials[0].run
    assert known.taught == PAPER_ORGANS
    trains = set(known.split.train)
    partly = [
        case.model_copy(
            update={"annotated": PAPER_ORGANS[:-1] if case.case_id in trains else PAPER_ORGANS}
        )
        for case in prepared.cases
    ]
    fewer = PreparedSet.model_validate(dict(prepared) | {"cases": tuple(partly)})
    run = plan_study(TABLE, TINY, fewer, Choices(), Workspace(tmp_path)).trials[0].run
    assert run.taught == PAPER_ORGANS[:-1]


def with_organs(prepared, *organs):
    """The same cases, of other classes."""
    cases = tuple(
        case.model_copy(update={"organ_voxels": dict.fromkeys(organs, 9), "annotated": organs})
        for case in prepared.cases
    )
    return prepared.model_copy(update={"cases": cases, "organs": organs, "fingerprint": "f" * 16})


def test_classes_follow_the_data(tmp_path):
    prepared = with_organs(prepared_set(8), "aorta", "lung", "trachea")
    study = plan_study(BACKBONES, TINY, prepared, Choices(), Workspace(tmp_path))
    for planned in study.trials:
        assert planned.run.recipe.network.num_classes == 4
        assert planned.run.data.organs == planned.run.taught == ("aorta", "lung", "trachea")
    choices = Choices(overrides=["network.num_classes=9"])
    with pytest.raises(UserError, match="hold 4 classes, not 9"):
        plan_study(BACKBONES, TINY, prepared, choices, Workspace(tmp_path))


@pytest.mark.parametrize(
    ("organs", "words"),
    [
        (("aorta",), "it lacks spleen, left kidney, .* and 2 more; it has beside them aorta"),
        ((*PAPER_ORGANS, "aorta"), "has 9: it has beside them aorta"),
        (PAPER_ORGANS[:-1], "has 7: it lacks duodenum"),
        (PAPER_ORGANS[::-1], "it has them in another order"),
    ],
)
@pytest.mark.parametrize("table", OF_THE_PAPER, ids=lambda table: table.name)
def test_the_papers_tables_say_what_they_need(tmp_path, table, organs, words):
    prepared = with_organs(prepared_set(8), *organs)
    with pytest.raises(UserError, match=f"{table.name} is about 8 organs.*{words}") as caught:
        plan_study(table, TINY, prepared, Choices(), Workspace(tmp_path))
    assert "--organs paper" in caught.value.fix


def test_a_draw_that_is_balanced_over_many_classes_keeps_a_voxel_of_each(tmp_path):
    organs = tuple(f"organ_{n}" for n in range(104))
    overrides = ['feature_loss={"layers": 2, "weight": 1, "sampling": {"plan": "class_balanced"}}']
    prepared = with_organs(prepared_set(8), *organs)
    choices = Choices(overrides=overrides)
    study = plan_study(BACKBONES, TINY, prepared, choices, Workspace(tmp_path))
    for planned in study.trials:
        assert planned.run.recipe.feature_loss is not None
        assert planned.run.recipe.feature_loss.sampling.max_voxels == 105
    choices = Choices(overrides=[*overrides, "feature_loss.sampling.max_voxels=104"])
    with pytest.raises(UserError, match="at least 105"):
        plan_study(BACKBONES, TINY, prepared, choices, Workspace(tmp_path))


def test_the_table_is_kept_with_the_plan_and_sealed(plan):
    study = plan()
    assert study.table == TABLE
    other = TABLE.model_copy(update={"footnotes": ("another",)})
    assert study.model_copy(update={"table": other}).seal() != study.seal()
