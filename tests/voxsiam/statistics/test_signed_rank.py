from itertools import product

import numpy as np
import pytest
from scipy import stats

from voxsiam.statistics.signed_rank import least_p, rank_biserial, signed_rank_p


def literal_p(differences):
    """Every assignment of signs: how many are as far from the middle as the one that was seen?"""
    ranks = stats.rankdata(np.abs(differences))[differences != 0]
    seen = ranks[differences[differences != 0] > 0].sum()
    middle = ranks.sum() / 2
    sums = [ranks[np.array(signs)].sum() for signs in product([False, True], repeat=len(ranks))]
    return np.mean([abs(value - middle) >= abs(seen - middle) for value in sums])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["all differ", "ties", "zeros", "ties and zeros"])
def test_every_assignment_of_signs_is_counted(seed, kind):
    rng = np.random.default_rng(seed)
    differences = rng.normal(0.5, 1, 9)
    if "ties" in kind:
        differences = np.round(2 * differences) / 2
    if "zeros" in kind:
        differences[rng.integers(0, 9, 3)] = 0
    assert signed_rank_p(differences) == pytest.approx(literal_p(differences))


def test_without_ties_it_is_scipys_exact_test():
    for n in (6, 20, 60):
        differences = np.random.default_rng(n).normal(0.3, 1, n)
        found = stats.wilcoxon(differences, method="exact")
        assert signed_rank_p(differences) == pytest.approx(found[1], rel=1e-9)


def test_many_pairs_without_a_difference_stay_exact():
    """Six of 20 differ, all up: no assignment of six signs is rarer than 2 in 64."""
    differences = np.concatenate([np.zeros(14), np.linspace(0.1, 0.2, 6)])
    assert signed_rank_p(differences) == pytest.approx(0.03125)
    normal = np.asarray(stats.wilcoxon(differences, zero_method="pratt", method="approx"))
    assert normal[1] < 0.03125


def test_rounding_errors_are_no_differences():
    assert signed_rank_p(np.array([1e-17, -2e-17, 0.0, 3e-17, 1e-16, 1e-17])) == 1
    tied = np.array([0.1 + 0.2, 0.3, 0.3, 0.3, -0.3, 0.3])
    assert signed_rank_p(tied) == literal_p(np.round(tied, 12))


def test_the_least_p_value_is_that_of_equal_signs():
    for n in range(1, 12):
        assert signed_rank_p(np.arange(1.0, n + 1)) == pytest.approx(least_p(n))
    assert [least_p(n) for n in (1, 2, 5, 6)] == [1.0, 0.5, 0.0625, 0.03125]


def test_turning_a_comparison_round_changes_its_sign_alone():
    differences = np.random.default_rng(0).normal(0.3, 1, 15)
    assert signed_rank_p(differences) == signed_rank_p(-differences)
    assert rank_biserial(differences) == -rank_biserial(-differences)


def test_the_effect_runs_from_all_below_to_all_above():
    assert rank_biserial(np.arange(1.0, 9)) == 1
    assert rank_biserial(-np.arange(1.0, 9)) == -1
    # Ranks 1 to 4 against 5 to 8 of 36: (10 - 26) / 36.
    assert rank_biserial(np.array([1.0, 2, 3, 4, -5, -6, -7, -8])) == pytest.approx(-16 / 36)
    assert rank_biserial(np.zeros(4)) == 0
