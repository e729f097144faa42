from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voxsiam_data.splits.items import Item, items, require_whole_patients, some_cases
from voxsiam.errors import UserError
from voxsiam.types import Split
from voxsiam_data.splits.holdout import split_cases
from voxsiam_data.splits.label_fraction import with_label_fraction

FIGURE_7 = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def thinned(split, cases, fraction, seed=0):
    return with_label_fraction(split, cases, fraction=fraction, seed=seed)


@settings(max_examples=200, deadline=None)
@given(cases=some_cases(), validation=st.floats(0, 0.5), seed=st.integers(0, 99))
def test_each_part_holds_the_smaller_ones(cases, validation, seed):
    whole = split_cases(cases, test_fraction=0.25, validation_fraction=validation, seed=seed)
    parts = [thinned(whole, cases, fraction, seed) for fraction in FIGURE_7]
    assert parts[-1] == whole
    for smaller, larger in pairwise(parts):
        assert set(smaller.train) <= set(larger.train)
    largest = max(Counter(case.patient_id for case in cases).values())
    for fraction, part in zip(FIGURE_7, parts, strict=True):
        assert part.train
        assert (part.validation, part.test) == (whole.validation, whole.test)
        require_whole_patients(part, cases)
        wanted = max(1, len(whole.train) * fraction)
        # A patient's cases come together: the nearest size lies within half of the largest one.
        assert abs(len(part.train) - wanted) <= max(largest / 2 + 0.5, largest - 1)
        assert part == thinned(whole, list(reversed(cases)), fraction, seed)


def test_sizes_and_sources_of_the_papers_figure():
    cases = [Item(f"a{i}", f"a{i}", "A") for i in range(43)]
    cases += [Item(f"b{i}", f"b{i}", "B") for i in range(47)]
    whole = split_cases(cases, test_fraction=2 / 9, validation_fraction=0, seed=0)
    of_a = sum(case_id[0] == "a" for case_id in whole.train)
    for fraction, size in zip(FIGURE_7, (7, 14, 28, 42, 56, 70), strict=True):
        train = thinned(whole, cases, fraction).train
        assert len(train) == size
        assert abs(sum(case_id[0] == "a" for case_id in train) - of_a * fraction) <= 1


def test_at_least_one_case_stays_and_the_seed_names_which():
    whole = split_cases(items(30), test_fraction=0.2, validation_fraction=0, seed=0)
    chosen = {thinned(whole, items(30), 1e-9, seed).train for seed in range(20)}
    assert {len(train) for train in chosen} == {1}
    assert len(chosen) > 5


def test_pinned_draw():
    """Splits are part of a run's identity: a change here makes old results incomparable."""
    whole = Split(train=tuple(f"c{i}" for i in range(8)), test=("c8", "c9"))
    assert thinned(whole, items(10, ("A", "B")), 0.4, seed=5).train == ("c4", "c6", "c7")


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_fractions_without_meaning(fraction):
    with pytest.raises(UserError, match="has no meaning"):
        thinned(Split(train=("c0",), test=("c1",)), items(2), float(fraction))
