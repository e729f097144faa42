import pytest

from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import NumericsConfig
from voxsiam_experiments.recipes import RECIPES, voxel_simsiam
from voxsiam_experiments.settled_numerics import settle_numerics

GRID = (32, 32, 32)


@pytest.fixture
def measured(monkeypatch):
    """What was asked to be measured; each time the answer is another one."""
    asked = []

    def resolve(recipe, grid_dhw, cases, threads):
        asked.append((recipe, grid_dhw, cases, threads))
        precision = "bfloat16" if len(asked) % 2 == 0 else "float32"
        numerics = NumericsConfig(autocast=precision, memory_format="contiguous")
        return recipe.with_changes(numerics=numerics)

    monkeypatch.setattr("voxsiam_experiments.settled_numerics.resolve_numerics", resolve)
    return asked


def precisions(recipes, tmp_path, grid=GRID, workers=1):
    settled = settle_numerics(recipes, grid, workers, Workspace(tmp_path))
    return [recipe.numerics.autocast for recipe in settled]


def test_each_network_is_measured_once_on_its_last_row(tmp_path, measured):
    recipes = [RECIPES["unet3d"](), RECIPES["vnet"](), RECIPES["voxel_simsiam"]()]
    assert precisions(recipes, tmp_path) == ["float32", "bfloat16", "float32"]
    assert [recipe for recipe, *_ in measured] == [recipes[2], recipes[1]]


def test_another_study_on_that_machine_takes_what_was_measured(tmp_path, measured):
    first = precisions([voxel_simsiam(layers=1)], tmp_path)
    assert precisions([voxel_simsiam(layers=3)], tmp_path) == first
    assert len(measured) == 1


def test_another_grid_or_batch_or_number_of_workers_is_measured_anew(tmp_path, measured):
    ours = voxel_simsiam()
    precisions([ours], tmp_path)
    precisions([ours], tmp_path, grid=(32, 32, 48))
    precisions([ours], tmp_path, workers=2)
    precisions([ours.with_changes(batch_size=2)], tmp_path)
    # Two workers with four cases have what one has with two, but for the threads.
    assert len(measured) in (3, 4)


def test_what_is_settled_by_the_user_stays(tmp_path, measured):
    fixed = NumericsConfig(autocast="bfloat16", memory_format="channels_last")
    recipe = voxel_simsiam().with_changes(numerics=fixed)
    settle_numerics([voxel_simsiam()], GRID, 1, Workspace(tmp_path))
    precisions([recipe], tmp_path)
    assert measured[-1][0] == recipe


def test_a_damaged_memory_costs_measuring_again(tmp_path, measured):
    precisions([voxel_simsiam()], tmp_path)
    (tmp_path / "numerics.json").write_text("{")
    precisions([voxel_simsiam()], tmp_path)
    assert len(measured) == 2
