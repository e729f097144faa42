"""Cross-validation: every patient tests in exactly one fold."""

from collections import defaultdict
from collections.abc import Iterable

from voxsiam.errors import UserError
from voxsiam.types import Split
from voxsiam_data.splits.groups import (
    Group,
    Splittable,
    check_fractions,
    num_cases,
    patient_groups,
    source_of,
    split_off,
)


def fold_cases(
    cases: Iterable[Splittable], *, folds: int, validation_fraction: float, seed: int
) -> tuple[Split, ...]:
    """Divide the patients into folds; fold i tests on part i and trains on the others.

    With one case a patient, two folds differ by at most one test case, in all and of each source.
    The same cases and seed give the same folds in whatever order they come.

    Args:
        cases: Of at least as many patients as folds.
        validation_fraction: Of the cases that do not test in a fold, in [0, 1).
    """
    if folds < 2:
        raise UserError(
            f"{folds} folds cannot take turns.", where="folds", fix="ask for 2 folds or more"
        )
    check_fractions(1 / folds, validation_fraction)
    groups = patient_groups(cases, seed, at_least=folds)
    parts = _parts(groups, folds)
    return tuple(split_off(groups, part, validation_fraction) for part in parts)


def _parts(groups: Iterable[Group], folds: int) -> list[list[Group]]:
    """Give each group, the largest of its source first, to the part that has least of it."""
    parts: list[list[Group]] = [[] for _ in range(folds)]
    taken: list[dict[str, int]] = [defaultdict(int) for _ in range(folds)]
    for group in sorted(groups, key=lambda g: (source_of(g), -len(g))):
        source = source_of(group)
        least = min(range(folds), key=lambda i: (taken[i][source], num_cases(parts[i])))
        parts[least].append(group)
        taken[least][source] += len(group)
    return parts
