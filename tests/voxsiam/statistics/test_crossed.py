import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from voxsiam.statistics.crossed import crossed_mean, filled


def student_p(values):
    return float(np.asarray(stats.ttest_1samp(values, 0))[1])


def table(patients=6, seeds=4, of_patients=1.0, of_seeds=0.5, rest=0.3, seed=0, mean=0.0):
    rng = np.random.default_rng(seed)
    return (
        mean
        + rng.normal(0, of_patients, (patients, 1))
        + rng.normal(0, of_seeds, seeds)
        + rng.normal(0, rest, (patients, seeds))
    )


def split(cells):
    found = crossed_mean(cells)
    assert found is not None
    return found


def literal_squared_margin(found, level):
    per_patient = stats.t.ppf(1 - level / 2, found.patients - 1) ** 2
    per_seed = stats.t.ppf(1 - level / 2, found.seeds - 1) ** 2
    seeds_alone = per_seed * found.of_seeds
    both = per_patient * found.of_patients
    if found.of_seeds > found.of_rest:
        both += per_seed * (found.of_seeds - found.of_rest)
    return max(both, seeds_alone)


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_are_the_mean_squares_of_an_analysis_of_variance(seed):
    cells = table(seed=seed)
    long = pd.DataFrame(
        [(cells[p, s], str(p), str(s)) for p in range(6) for s in range(4)],
        columns=["cell", "patient", "training"],
    )
    squares = anova_lm(ols("cell ~ patient + training", long).fit())
    found = split(cells)
    of = squares["sum_sq"] / squares["df"] / cells.size
    assert found.of_patients == pytest.approx(of["patient"])
    assert found.of_seeds == pytest.approx(of["training"])
    assert found.of_rest == pytest.approx(of["Residual"])
    assert found.mean == pytest.approx(cells.mean())


@pytest.mark.parametrize(
    "spreads", [(1.0, 0.5, 0.3), (0.0, 1.0, 0.3), (1.0, 0.0, 0.3), (0.0, 0.0, 1.0)]
)
@pytest.mark.parametrize("level", [0.05, 0.025, 0.005])
def test_the_interval_is_its_equation(spreads, level):
    found = split(table(8, 3, *spreads, mean=0.2))
    interval = found.interval(level)
    assert interval is not None
    margin = literal_squared_margin(found, level) ** 0.5
    assert (interval.low, interval.high) == pytest.approx(
        (found.mean - margin, found.mean + margin)
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_p_value_is_the_level_at_which_the_interval_ends_at_zero(seed):
    found = split(table(seed=seed, mean=0.8))
    p_value = found.p_value
    assert p_value is not None
    interval = found.interval(p_value)
    assert interval is not None
    assert min(abs(interval.low), abs(interval.high)) == pytest.approx(0, abs=1e-9)


def test_where_patients_are_alike_it_is_students_test_on_seeds_and_the_other_way():
    trainings = table(6, 5, of_patients=0, of_seeds=1, rest=0, mean=0.7)
    student = student_p(trainings.mean(axis=0))
    assert split(trainings).p_value == pytest.approx(student)
    patients = table(6, 5, of_patients=1, of_seeds=0, rest=0, mean=0.7)
    student = student_p(patients.mean(axis=1))
    assert split(patients).p_value == pytest.approx(student)


def test_patients_and_seeds_are_both_paid_for():
    cells = table(6, 5, of_patients=1, of_seeds=1, rest=0.1, mean=2.0)
    p_value = split(cells).p_value
    assert p_value is not None
    assert p_value > student_p(cells.mean(axis=1))
    assert p_value > student_p(cells.mean(axis=0))
    # Cells are no independent figures: as if they were, far smaller.
    assert p_value > 10 * student_p(cells.ravel())


@pytest.mark.parametrize("spreads", [(1, 1, 0.1), (0.1, 1, 1), (1, 0.1, 1), (0, 0, 1)])
@pytest.mark.parametrize("shape", [(6, 2), (20, 5), (4, 8)])
def test_no_difference_stands_that_falls_against_either_chance_alone(spreads, shape):
    for seed in range(10):
        cells = table(*shape, *spreads, seed=seed, mean=1.0)
        p_value = split(cells).p_value
        assert p_value is not None
        assert p_value >= student_p(cells.mean(axis=1)) - 1e-9
        assert p_value >= student_p(cells.mean(axis=0)) - 1e-9


def test_turning_a_comparison_round_turns_its_sign():
    one, other = split(table(mean=0.5)), split(-table(mean=0.5))
    assert one.p_value == other.p_value
    assert one.mean == -other.mean


def test_rows_that_are_alike_up_to_rounding_do_not_differ():
    cells = np.random.default_rng(0).normal(0, 1e-16, (6, 3))
    assert split(cells).p_value == 1


def test_a_difference_that_is_the_same_everywhere_stands():
    found = split(np.full((6, 3), 0.1 + 0.2) + np.array([0, 1e-17, -1e-17]))
    assert found.p_value == 0
    interval = found.interval()
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize("shape", [(6, 1), (1, 4), (1, 1)])
def test_one_training_or_one_patient_cannot_be_told(shape):
    found = split(np.random.default_rng(0).normal(1, 0.1, shape))
    assert found.p_value is None
    assert found.interval() is None


def test_a_missing_cell_takes_what_patient_and_seed_have_elsewhere():
    additive = np.arange(6.0)[:, None] + np.array([0.0, 10, 20])
    holes = additive.copy()
    holes[0, 0] = holes[4, 2] = np.nan
    assert filled(holes) == pytest.approx(additive)
    assert split(holes).mean == pytest.approx(additive.mean())


def test_what_is_missing_costs_the_rest_a_degree_of_freedom():
    cells = table()
    cells[2, 1] = np.nan
    full = filled(cells)
    assert full is not None
    # 5 x 3 degrees of freedom, and one less.
    assert split(cells).of_rest == pytest.approx(split(full).of_rest * 15 / 14)


def test_patients_and_seeds_without_a_cell_are_left_out():
    cells = table(6, 4)
    wide = np.full((8, 5), np.nan)
    wide[1:7, :4] = cells
    assert split(wide) == split(cells)
    assert crossed_mean(np.full((3, 2), np.nan)) is None


def test_cells_that_do_not_hang_together_are_not_compared():
    apart = np.full((4, 4), np.nan)
    apart[:2, :2] = apart[2:, 2:] = 1.0
    assert filled(apart) is None
    assert crossed_mean(apart) is None
