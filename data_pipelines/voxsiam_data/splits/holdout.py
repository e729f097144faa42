"""One split: some cases are held out for the test, as the paper's 20 of 90."""

from collections.abc import Iterable

from voxsiam.types import Split
from voxsiam_data.splits.groups import (
    Splittable,
    check_fractions,
    draw,
    draw_validation,
    ids_of,
    num_cases,
    patient_groups,
    rounded,
    split_off,
    training_groups,
    without,
)

PAPER_TEST_FRACTION = 2 / 9
"""Section IV-A: 20 of 90 cases test, 70 train."""


def split_cases(
    cases: Iterable[Splittable], *, test_fraction: float, validation_fraction: float, seed: int
) -> Split:
    """Draw test cases, then validation cases from the rest.

    The same cases and seed give the same split in whatever order they come. Both sides are as
    large as the fractions say, rounded, where the sizes of the patients' groups allow.

    Args:
        cases: Of at least two patients.
        test_fraction: Of all cases, in (0, 1). At least one case tests and one trains.
        validation_fraction: Of the cases that do not test, in [0, 1). May round to none.
    """
    check_fractions(test_fraction, validation_fraction)
    groups = patient_groups(cases, seed)
    count = num_cases(groups)
    test = draw(groups, rounded(count * test_fraction, 1, count - 1))
    return split_off(groups, test or [min(groups, key=len)], validation_fraction)


def with_validation(
    split: Split, cases: Iterable[Splittable], *, fraction: float, seed: int
) -> Split:
    """Take a validation part from the training cases of a fixed split that has none.

    Args:
        cases: All that it names, with their patients and sources.
        fraction: Of the training cases, in [0, 1); may round to none.
    """
    check_fractions(0.5, fraction)
    if split.validation or not fraction:
        return split
    groups = training_groups(split, cases, seed)
    validation = draw_validation(groups, fraction)
    return split.model_copy(
        update={"train": ids_of(without(groups, validation)), "validation": ids_of(validation)}
    )
