import numpy as np
import pytest
from scipy import stats

from voxsiam.statistics.interval import (
    PATIENTS_WHERE_CASES_FAIL,
    Interval,
    difference_interval,
    difference_p,
    mean_interval,
    too_few_where_cases_fail,
)


def student_p(values):
    return float(np.asarray(stats.ttest_1samp(values, 0))[1])


def some(n, seed=0, mean=0.0, sd=1.0):
    return np.random.default_rng(seed).normal(mean, sd, n)


def ends(interval):
    assert interval is not None
    return interval.low, interval.high


def literal_ends(values):
    """Hall's transformation turned round by search instead of by its formula."""
    n, mean, sd = len(values), values.mean(), values.std(ddof=1)
    skewness = np.mean((values - mean) ** 3) / sd**3

    def transformed(mu):
        u = (mean - mu) / sd
        return u + skewness * u**2 / 3 + skewness**2 * u**3 / 27 + skewness / (6 * n)

    reach = stats.t.ppf(0.975, n - 1) / np.sqrt(n)
    grid = np.linspace(mean - 9 * sd, mean + 9 * sd, 400_001)
    inside = grid[np.abs(transformed(grid)) <= reach]
    return inside[0], inside[-1]


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_of_a_mean_is_halls(seed):
    values = np.random.default_rng(seed).beta(6, 1, 8)
    assert ends(mean_interval(values)) == pytest.approx(literal_ends(values), abs=1e-4)


def test_without_skewness_it_is_students():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7])
    student = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert ends(mean_interval(values)) == pytest.approx(student)


def test_a_long_tail_below_draws_the_interval_down():
    values = np.array([0.5, 0.79, 0.8, 0.81, 0.82, 0.83])
    low, high = ends(mean_interval(values))
    student = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert low < student[0]
    assert high < student[1]


def test_the_interval_of_differences_is_students():
    values = some(9, mean=0.4)
    student = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert ends(difference_interval(values)) == pytest.approx(student)
    wider = stats.t.interval(0.975, 8, values.mean(), stats.sem(values))
    assert ends(difference_interval(values, 0.025)) == pytest.approx(wider)


def test_the_p_value_of_differences_is_students_and_ends_the_interval_at_zero():
    values = some(7, mean=0.6)
    p_value = difference_p(values)
    assert p_value is not None
    assert p_value == pytest.approx(student_p(values))
    low, high = ends(difference_interval(values, p_value))
    assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("interval", [mean_interval, difference_interval])
def test_what_is_constant_up_to_rounding_has_an_interval_without_width(interval):
    # 0.1 + 0.2 and its like: all 0.3, but not bit by bit.
    values = np.array([0.1 + 0.2, 0.3, 0.6 - 0.3, 0.15 + 0.15])
    assert np.ptp(values) > 0
    low, high = ends(interval(values))
    assert np.isfinite([low, high]).all()
    assert (low, high) == pytest.approx((0.3, 0.3))


def test_constant_differences_are_told_from_none():
    assert difference_p(np.full(5, 0.02)) == 0
    assert difference_p(np.array([1e-17, -1e-17, 0, 2e-17])) == 1


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_units_have_no_interval(n):
    assert mean_interval(some(n)) is None
    assert (difference_interval(some(n)) is None) == (n < 2)
    assert (difference_p(some(n)) is None) == (n < 2)


def test_an_interval_is_cut_at_what_no_mean_can_be():
    assert Interval(-0.2, 1.3).within(0.0, 1.0) == Interval(0.0, 1.0)
    assert Interval(0.2, 0.3).within(0.0, 1.0) == Interval(0.2, 0.3)


def test_few_patients_are_told():
    assert too_few_where_cases_fail(PATIENTS_WHERE_CASES_FAIL - 1)
    assert not too_few_where_cases_fail(PATIENTS_WHERE_CASES_FAIL)
