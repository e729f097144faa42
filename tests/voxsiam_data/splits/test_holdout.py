from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voxsiam_data.splits.items import Item, items, require_whole_patients, some_cases
from voxsiam.errors import UserError
from voxsiam.types import Split
from voxsiam_data.splits.holdout import split_cases, with_validation


def split(cases, test=0.2, validation=0.0, seed=0):
    return split_cases(
        cases, test_fraction=float(test), validation_fraction=float(validation), seed=seed
    )


@pytest.mark.parametrize(
    ("count", "test", "validation", "sizes"),
    [
        (30, 0.2, 0.0, (24, 0, 6)),
        (90, 2 / 9, 0.0, (70, 0, 20)),
        (90, 2 / 9, 0.1, (63, 7, 20)),
        (2, 0.2, 0.5, (1, 0, 1)),
        (2, 0.99, 0.0, (1, 0, 1)),
        (3, 0.2, 0.5, (1, 1, 1)),
        (8, 0.25, 0.2, (5, 1, 2)),
        (10, 0.25, 0.0, (7, 0, 3)),
        (100, 0.001, 0.001, (99, 0, 1)),
        (10, 0.999, 0.9, (1, 0, 9)),
    ],
)
def test_sizes(count, test, validation, sizes):
    drawn = split(items(count), test, validation)
    assert (len(drawn.train), len(drawn.validation), len(drawn.test)) == sizes


def test_order_of_the_input_does_not_matter_but_the_seed_does():
    cases = items(40, ("a", "b"))
    assert split(cases, 0.3, 0.2) == split(reversed(cases), 0.3, 0.2)
    assert split(cases, 0.3, 0.2, seed=1) != split(cases, 0.3, 0.2, seed=2)


def test_pinned_draw():
    """Splits are part of a run's identity: a change here makes old results incomparable."""
    assert split(items(10), 0.3, 0.3, seed=7).test == PINNED_TEST
    assert split(items(10), 0.3, 0.3, seed=7).validation == PINNED_VALIDATION


PINNED_TEST = ("c2", "c5", "c6")
PINNED_VALIDATION = ("c7", "c9")


@pytest.mark.parametrize("seed", range(8))
def test_sources_are_shared_out(seed):
    cases = [Item(f"a{i}", f"a{i}", "A") for i in range(43)]
    cases += [Item(f"b{i}", f"b{i}", "B") for i in range(47)]
    drawn = split(cases, 2 / 9, 0.1, seed)
    assert Counter(case_id[0] for case_id in drawn.test) == {"a": 10, "b": 10}
    assert Counter(case_id[0] for case_id in drawn.validation) == {"a": 3, "b": 4}


def test_one_large_patient_does_not_stop_the_split():
    cases = [Item(f"a{i}", "big") for i in range(8)] + [Item("b0", "small"), Item("b1", "other")]
    drawn = split(cases, 0.1)
    assert drawn.test in (("b0",), ("b1",))
    pairs = [Item("a0", "p"), Item("a1", "p"), Item("b0", "q"), Item("b1", "q")]
    assert split(pairs, 0.01).test in (("a0", "a1"), ("b0", "b1"))


@pytest.mark.parametrize("cases", [[], items(1), [Item("a", "p"), Item("b", "p")]])
def test_too_few(cases):
    with pytest.raises(UserError, match="cannot be split"):
        split(cases)


@pytest.mark.parametrize(
    ("test", "validation"), [(0, 0), (1, 0), (-0.1, 0), (0.2, -0.1), (0.2, 1), (float("nan"), 0)]
)
def test_bad_fractions(test, validation):
    with pytest.raises(UserError, match="cannot test on"):
        split(items(10), test, validation)


@settings(max_examples=200, deadline=None)
@given(
    cases=some_cases(),
    test=st.floats(0.01, 0.99),
    validation=st.floats(0, 0.9),
    seed=st.integers(0, 99),
)
def test_always_whole_patients_once(cases, test, validation, seed):
    drawn = split(cases, test, validation, seed)
    require_whole_patients(drawn, cases)
    assert drawn.train
    assert drawn.test
    everyone = sorted((*drawn.train, *drawn.validation, *drawn.test))
    assert everyone == sorted(case.case_id for case in cases)
    assert drawn == split(sorted(cases, key=lambda case: case.case_id), test, validation, seed)


@settings(max_examples=100, deadline=None)
@given(cases=some_cases(), fraction=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_validation_is_taken_from_the_training_cases_of_fixed_lists(cases, fraction, seed):
    fixed = split(cases, 0.3, 0.0, seed)
    drawn = with_validation(fixed, cases, fraction=fraction, seed=seed)
    require_whole_patients(drawn, cases)
    assert drawn.test == fixed.test
    assert drawn.train
    assert sorted((*drawn.train, *drawn.validation)) == list(fixed.train)
    assert with_validation(drawn, cases, fraction=0.5, seed=1) == (
        drawn if drawn.validation else with_validation(fixed, reversed(cases), fraction=0.5, seed=1)
    )


def test_validation_is_as_large_as_asked():
    fixed = Split(train=tuple(sorted(f"c{i}" for i in range(20))), test=("c20",))
    drawn = with_validation(fixed, items(25, ("A", "B")), fraction=0.2, seed=3)
    assert (len(drawn.train), len(drawn.validation)) == (16, 4)
    assert Counter(int(case_id[1:]) % 2 for case_id in drawn.validation) == {0: 2, 1: 2}
