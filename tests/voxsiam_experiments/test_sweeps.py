import pytest

from tests.voxsiam_experiments.test_plan import prepared_set
from voxsiam.errors import UserError
from voxsiam.orchestration.sweeps.plan import SweepTrial
from voxsiam.orchestration.workspace import Workspace
from voxsiam_experiments.presets import PRESETS, Choices
from voxsiam_experiments.recipes import voxel_simsiam
from voxsiam_experiments.sweep_plan import (
    AS_PRINTED,
    check_search,
    final_table,
    plan_final,
    plan_sweep,
    search_space,
)
from voxsiam_experiments.sweeps import SWEEPS, Search

TINY = PRESETS["tiny"]


@pytest.fixture
def plan(tmp_path):
    def make(name="lambda", cases=12, search=None, preset=TINY, **choices):
        prepared, workspace = prepared_set(cases), Workspace(tmp_path)
        asked = search or Search()
        return plan_sweep(SWEEPS[name], preset, prepared, Choices(**choices), asked, workspace)

    return make


def winner(plan, **values):
    return SweepTrial(number=3, values=plan.space.base_values() | values, seeds=(0,))


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_starts_from_the_settings_that_are_printed(name):
    sweep = SWEEPS[name]
    paper = PRESETS["paper"]
    space = search_space(sweep, paper, paper.grid_dhw, Choices())
    assert space.recipe(space.base_values()) == paper.apply(voxel_simsiam(), paper.grid_dhw)
    small = search_space(sweep, TINY, TINY.grid_dhw, Choices())
    assert small.recipe(small.base_values()) == small.base


def test_the_whole_of_the_space_makes_recipes(plan):
    space = plan("all").space
    for layers in (1, 4):
        for share in (0.0, 1.0):
            point = {"layers": layers, "false negatives": share, "lambda": 0.01, "voxels": 5}
            recipe = space.recipe(space.base_values() | point)
            assert recipe.feature_loss is not None
            assert recipe.feature_loss.sampling.max_false_negatives == round(5 * share)


def test_a_search_sees_no_test_case_and_the_winner_trains_on_all_others(plan, tmp_path):
    found = plan()
    assert found.split.test == ()
    assert found.split.validation
    assert found.held_out
    assert not {*found.split.train, *found.split.validation} & set(found.held_out)
    final = plan_final(
        found, winner(found, **{"lambda": 3.0}), prepared_set(12), Workspace(tmp_path)
    )
    assert [trial.row for trial in final.trials] == [AS_PRINTED, "winner (trial 3)"]
    for trial in final.trials:
        split = trial.run.split
        assert split.test == found.held_out
        assert split.validation == ()
        assert sorted(split.train) == sorted((*found.split.train, *found.split.validation))
    losses = [trial.run.recipe.feature_loss for trial in final.trials]
    weights = [loss.weight for loss in losses if loss is not None]
    assert weights == [10.0, 3.0]


def test_a_preset_without_validation_lends_some_for_the_search(plan):
    paper = PRESETS["paper"]
    found = plan(preset=paper, cases=18, overrides=('numerics.autocast="float32"',
                 'numerics.memory_format="contiguous"'))  # fmt: skip
    assert len(found.split.validation) == 2
    assert len(found.held_out) == 4


def test_where_the_printed_settings_win_they_are_tested_alone(plan, tmp_path):
    found = plan()
    final = plan_final(found, winner(found), prepared_set(12), Workspace(tmp_path))
    assert [trial.row for trial in final.trials] == [AS_PRINTED]


def test_equal_requests_have_one_name_and_others_another(plan):
    assert plan().sweep_id == plan().sweep_id
    others = {
        plan().sweep_id,
        plan("layers").sweep_id,
        plan(search=Search(seeds=2)).sweep_id,
        plan(search=Search(objectives=("dsc", "seconds"))).sweep_id,
        plan(search=Search(stop_early=False)).sweep_id,
        plan(overrides=("epochs=3",)).sweep_id,
        plan(cases=14).sweep_id,
    }
    assert len(others) == 7


def test_what_a_sweep_varies_cannot_be_set():
    choices = Choices(overrides=("feature_loss.weight=3",))
    with pytest.raises(UserError, match="is what this sweep varies"):
        check_search(SWEEPS["lambda"], TINY, choices)
    check_search(SWEEPS["layers"], TINY, Choices(overrides=("epochs=3",)))


def test_too_few_cases_to_score_on_are_refused(plan):
    with pytest.raises(UserError):
        plan(cases=2)


def test_the_last_table_compares_with_what_is_printed(plan):
    found = plan()
    table = final_table(found, winner(found, **{"lambda": 3.0}))
    assert [row.label for row in table.rows] == [AS_PRINTED, "winner (trial 3)"]
    assert table.rows[0].printed.dsc == 0.806
    assert table.partner(table.rows[1]) == AS_PRINTED
    assert table.partner(table.rows[0]) is None
