from itertools import pairwise

import pytest

from voxsiam_experiments.forecast import MAX_TIMED_VOXELS, Trainings, forecast
from voxsiam_experiments.presets import PRESETS
from voxsiam_experiments.recipes import unet3d, voxel_simsiam

TINY = PRESETS["tiny"]
GRID = TINY.grid_dhw


def trainings(label="row", recipe=voxel_simsiam, count=3, train=10, scored=2, grid=GRID):
    return Trainings(label, TINY.apply(recipe(), grid), count, train, scored)


def test_steps_trainings_and_checkpoints_are_counted():
    found = forecast([trainings(count=3, train=10)], GRID, workers=1, slots=1)
    (row,) = found.rows
    assert row.steps == 3 * 2  # ten cases in batches of four, two epochs
    assert 0 < row.step_s[0] <= row.step_s[1]
    low, high = row.training_s
    assert low >= row.steps * row.step_s[0]
    assert found.hours == (pytest.approx(3 * low / 3600), pytest.approx(3 * high / 3600))
    assert found.disk_bytes == 3 * row.checkpoint_bytes > 0
    assert found.timed_part == 1
    assert found.gpu_hours == (0, 0)


def test_equal_recipes_are_timed_once_and_trials_side_by_side_share_the_machine():
    rows = [trainings("a"), trainings("b", count=1, train=20), trainings("c", unet3d)]
    alone = forecast(rows, GRID, workers=1, slots=1)
    assert alone.rows[0].step_s == alone.rows[1].step_s != alone.rows[2].step_s
    assert alone.rows[1].training_s[0] > alone.rows[0].training_s[0]
    shared = forecast(rows, GRID, workers=1, slots=2)
    steps = [row.steps * row.step_s[0] for row in shared.rows]
    assert all(row.training_s[0] > 2 * own for row, own in zip(shared.rows, steps, strict=True))


def test_a_training_takes_its_time_however_many_places_there_are():
    found = forecast([trainings(count=3)], GRID, workers=1, slots=8)
    assert found.slots == 3
    assert found.hours[0] == pytest.approx(found.rows[0].training_s[0] / 3600)
    uneven = forecast([trainings(count=3)], GRID, workers=1, slots=2)
    assert uneven.hours[0] == pytest.approx(2 * uneven.rows[0].training_s[0] / 3600)


def test_what_is_too_large_to_try_is_timed_in_part_and_scaled_by_its_voxels():
    large = (64, 128, 128)
    part = forecast([trainings(grid=large)], large, workers=1, slots=1)
    assert part.timed_part < 1
    recipe = part.rows[0].trainings.recipe
    voxels = recipe.batch_size * 64 * 128 * 128 * recipe.network.width
    assert part.timed_part * voxels <= MAX_TIMED_VOXELS
    small = forecast([trainings()], GRID, workers=1, slots=1)
    # 32 times the voxels; a grid this small has overhead of its own.
    assert part.rows[0].step_s[1] > 4 * small.rows[0].step_s[0]


def test_more_epochs_cost_in_proportion():
    counts = [trainings(train=4 * batches).train_cases for batches in (1, 2, 4)]
    found = forecast([trainings(train=n) for n in counts], GRID, workers=1, slots=1)
    steps = [row.steps for row in found.rows]
    assert all(later == 2 * earlier for earlier, later in pairwise(steps))
