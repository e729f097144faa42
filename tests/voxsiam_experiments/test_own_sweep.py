"""Searches over fields of one's own choice: what is read, what is refused, what is suggested."""

from dataclasses import replace

import pytest

from tests.voxsiam_experiments.test_plan import prepared_set
from voxsiam.errors import UserError
from voxsiam.orchestration.sweeps.history import SearchHistory
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import Budget
from voxsiam.orchestration.sweeps.space import Setting
from voxsiam.orchestration.workspace import Workspace
from voxsiam_experiments import unet3d, voxel_simsiam
from voxsiam_experiments.idle_fields import idle
from voxsiam_experiments.over import own_sweep, parse_setting
from voxsiam_experiments.presets import PRESETS, Choices
from voxsiam_experiments.study_file import load_sweep
from voxsiam_experiments.sweep_plan import check_budget, check_search, final_table, plan_sweep
from voxsiam_experiments.sweeps import SWEEPS, Search

TINY = PRESETS["tiny"]
RATE, WIDTH = "optimiser.learning_rate=1e-4..1e-2:log", "network.width=8,16,32"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RATE, {"low": 1e-4, "high": 1e-2, "log": True}),
        ("epochs=2..5", {"low": 2, "high": 5}),
        ("a.b = 0.5 .. 1", {"low": 0.5, "high": 1}),
        ("dice.epsilon=-1..1.5", {"low": -1, "high": 1.5}),
        (WIDTH, {"choices": (8, 16, 32)}),
        ("optimiser.name=adam,adamw", {"choices": ("adam", "adamw")}),
        ("drop_last=true,false", {"choices": (True, False)}),
        ("epochs=3,3,4", {"choices": (3, 4)}),
    ],
)
def test_what_over_says(text, expected):
    found = parse_setting(text)
    path = text.partition("=")[0].strip()
    assert found == Setting(name=path, path=path, **expected)
    assert [type(value) for value in found.choices] == [
        type(value) for value in expected.get("choices", ())
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs", "says not what to vary"),
        ("=1,2", "says not what to vary"),
        ("epochs=", "says not what to vary"),
        ("epochs=3", "leaves nothing to search"),
        ("epochs=3,3", "leaves nothing to search"),
        ("epochs=3,", "leaves nothing to search"),
        ("epochs=5..2", "no range"),
        ("epochs=5..5", "no range"),
        ("epochs=0..5:log", "begins above 0"),
        ("epochs=a..b", "no range"),
        ("epochs=nan..1", "no range"),
    ],
)
def test_a_search_over_nothing_is_refused(text, words):
    with pytest.raises(UserError, match=words) as caught:
        parse_setting(text)
    assert caught.value.where.startswith("--over")


@pytest.mark.parametrize(
    ("over", "words", "fix"),
    [
        (["optimiser.learning_rat=1..2"], "no field 'optimiser.learning_rat'", "learning_rate"),
        (["optimizer.learning_rate=1..2"], "no field", "optimiser"),
        (["feature_loss=1,2"], "no value 'feature_loss' to vary", "leave out"),
        (["network.width=0.5..9.5"], "whole number|integer", ""),
        (["optimiser.name=adam,sgd"], "adam", ""),
        (["optimiser.name=1..2"], "no number", "list the values"),
        (["network.num_classes=3,4"], "makes no difference: the classes", "leave it"),
        (["feature_loss.sampling.max_false_negatives=1,2"], "makes no difference: .*plan", "--set"),
    ],
)
def test_fields_that_are_none_or_idle_are_refused_before_anything_is_made(over, words, fix):
    overrides = ['feature_loss.sampling.plan="uniform"'] if "false" in over[0] else []
    with pytest.raises(UserError, match=words) as caught:
        check_search(own_sweep(over, voxel_simsiam()), TINY, Choices(overrides=overrides))
    assert fix in caught.value.fix


def test_a_recipe_without_a_feature_loss_has_no_such_field():
    with pytest.raises(UserError, match=r"no value 'feature_loss\.weight'"):
        check_search(own_sweep(["feature_loss.weight=1,2"], unet3d()), TINY, Choices())


def test_fields_that_nothing_makes_idle():
    recipe = voxel_simsiam()
    for path in ("feature_loss.weight", "feature_loss.sampling.max_voxels", "epochs"):
        assert idle(recipe, path) == ""
    loss = recipe.feature_loss
    assert loss is not None
    without = recipe.with_changes(feature_loss=loss.model_copy(update={"weight": 0.0}))
    assert idle(without, "feature_loss.relation.hidden_dim") == "feature_loss.weight is 0"
    assert idle(without, "feature_loss.weight") == ""


@pytest.fixture
def ledger(tmp_path):
    def make(*over, trials=8, **search):
        sweep = own_sweep(over, voxel_simsiam())
        asked = replace(Search(stop_early=False), **search)
        check_budget(sweep, asked, trials)
        planned = (sweep, TINY, prepared_set(12), Choices(), asked, Workspace(tmp_path))
        return SweepLedger.create(Workspace(tmp_path), plan_sweep(*planned), Budget(trials=trials))

    return make


def walk(ledger, count):
    """Suggest and end trials; the score falls with the learning rate."""
    history, found = SearchHistory(ledger), []
    for number in range(len(ledger.trials), count):
        values = history.suggest(number)
        ledger.add(values)
        score = 0.5 - float(values["learning_rate"])
        objectives = {"dsc": score, "seconds": 1.0}
        history.end(ledger.update(number, state="finished", objectives=objectives))
        found.append(values)
    return found


@pytest.mark.parametrize("sampler", ["tpe", "gp", "qmc", "random"])
def test_a_resumed_search_suggests_what_the_unbroken_one_would(ledger, tmp_path, sampler):
    found = ledger(RATE, WIDTH, sampler=sampler)
    points = walk(found, 8)
    assert points[0] == {"learning_rate": 1e-3, "width": 8}
    assert len({tuple(point.values()) for point in points}) > 4
    assert all(1e-4 <= point["learning_rate"] <= 1e-2 for point in points)
    assert {point["width"] for point in points} <= {8, 16, 32}
    for path in sorted((found.folder / "trials").glob("*.json"))[4:]:
        path.unlink()
    again = SweepLedger.read(Workspace(tmp_path), found.folder)
    assert len(again.trials) == 4
    assert walk(again, 8) == points[4:]


def test_a_grid_is_every_point_once(ledger):
    found = ledger("optimiser.learning_rate=0.001,0.01", WIDTH, sampler="grid", trials=6)
    points = walk(found, 6)
    assert [tuple(point.values()) for point in points] == [
        (rate, width) for rate in (0.001, 0.01) for width in (8, 16, 32)
    ]


def test_grids_that_cannot_be_walked(ledger):
    with pytest.raises(UserError, match="6 points, more than 5 trials"):
        ledger("optimiser.learning_rate=0.001,0.01", WIDTH, sampler="grid", trials=5)
    with pytest.raises(UserError, match="a grid needs single values"):
        ledger(RATE, sampler="grid")
    assert len(ledger("epochs=1..8", sampler="grid").plan.space.grid()) == 8


def test_the_last_table_of_an_own_sweep_knows_no_printed_figures(ledger):
    found = ledger(RATE)
    walk(found, 2)
    table = final_table(found.plan, found.trials[1])
    assert [row.label for row in table.rows] == ["base", "winner (trial 1)"]
    assert not table.has_printed
    assert table.name == "sweep-learning_rate"
    assert table.title == "Which learning_rate? The winner on test cases"


def test_an_organ_can_be_what_is_searched_for(ledger):
    found = ledger(RATE, objectives=("dsc/liver",))
    assert found.plan.score == "dsc/liver"
    with pytest.raises(
        UserError, match="no inner validation case shows the organ 'livr'"
    ) as caught:
        ledger(RATE, objectives=("dsc/livr",))
    assert "liver" in caught.value.fix


def test_a_sweep_in_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from voxsiam_experiments import Setting, Sweep, Row, Table, unet3d\n"
        "RATE = Setting(name='rate', path='optimiser.learning_rate', low=1e-4, high=1e-2)\n"
        "SWEEP = Sweep(name='mine', title='How fast?', settings=(RATE,), recipe=unet3d())\n"
        "TABLE = Table(name='mine', title='t', rows=(Row(label='a', recipe=unet3d()),))\n"
    )
    found = load_sweep(path)
    assert (found.name, found.file, found.recipe) == ("mine", "mine.py", unet3d())
    check_search(found, TINY, Choices())
    path.write_text("from voxsiam_experiments.sweeps import SWEEPS\nX = SWEEPS['lambda']\n")
    with pytest.raises(UserError, match="declares no sweep"):
        load_sweep(path)


@pytest.mark.parametrize("sweep", SWEEPS.values(), ids=SWEEPS)
def test_the_printed_sweeps_are_such_declarations(sweep):
    assert type(sweep).model_validate_json(sweep.model_dump_json()) == sweep
    check_search(sweep, TINY, Choices())
