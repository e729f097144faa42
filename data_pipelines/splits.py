"""Who trains, who validates, who tests: by patient, evenly over the sources."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from voxsiam.errors import UserError
from voxsiam.types import Split


@runtime_checkable
class Splittable(Protocol):
    """What a split needs to know of a case."""

    @property
    def case_id(self) -> str:
        """Name of the case."""
        ...

    @property
    def patient_id(self) -> str:
        """Its patient."""
        ...

    @property
    def source(self) -> str:
        """Where it comes from."""
        ...


Group = tuple[Splittable, ...]


def split_cases(
    cases: Iterable[Splittable], *, test_fraction: float, validation_fraction: float, seed: int
) -> Split:
    """Draw test cases, then validation cases from the rest.

    The same cases and seed give the same split in whatever order they come. Both sides are as
    large as the fractions say, rounded, where the sizes of the patients' groups allow.

    Args:
        cases: At least two, of at least two patients.
        test_fraction: Of all cases, in (0, 1). At least one case tests and one trains.
        validation_fraction: Of the cases that do not test, in [0, 1). May round to none.
        seed: Names the draw.
    """
    _check_fractions(test_fraction, validation_fraction)
    groups = _groups(cases, seed)
    num_cases = sum(map(len, groups))
    if len(groups) < 2:
        raise UserError(
            f"{num_cases} cases of {len(groups)} patients cannot be split.",
            where="data set",
            fix="give cases of at least two patients: one tests, one trains",
        )
    test = _draw(groups, _rounded(num_cases * test_fraction, 1, num_cases - 1))
    test = test or [min(groups, key=len)]
    rest = [group for group in groups if group not in test]
    num_rest = sum(map(len, rest))
    validation = _draw(rest, _rounded(num_rest * validation_fraction, 0, num_rest - 1))
    train = [group for group in rest if group not in validation]
    return Split(train=_ids(train), validation=_ids(validation), test=_ids(test))


def _check_fractions(test_fraction: float, validation_fraction: float) -> None:
    if not (0 < test_fraction < 1 and 0 <= validation_fraction < 1):
        raise UserError(
            f"A split cannot test on {test_fraction:g} and validate on {validation_fraction:g}.",
            where="test_fraction, validation_fraction",
            fix="choose fractions above 0 (validation: 0 or above) and below 1",
        )


def _rounded(wanted: float, at_least: int, at_most: int) -> int:
    # The small addition keeps 90 * 2/9 and its like from falling under a half by rounding error.
    return max(at_least, min(at_most, int(wanted + 0.5 + 1e-9)))


def _groups(cases: Iterable[Splittable], seed: int) -> list[Group]:
    by_patient: dict[str, list[Splittable]] = defaultdict(list)
    for case in cases:
        by_patient[case.patient_id].append(case)
    ordered = sorted(by_patient, key=lambda patient: _draw_key(seed, patient))
    return [tuple(sorted(by_patient[p], key=lambda case: case.case_id)) for p in ordered]


def _draw_key(seed: int, patient_id: str) -> str:
    return hashlib.sha256(f"{seed}\n{patient_id}".encode()).hexdigest()


def _draw(groups: Sequence[Group], wanted: int) -> list[Group]:
    """Take whole groups, first each source's share, then whatever still fits."""
    chosen: list[Group] = []
    for source, share in _shares(groups, wanted).items():
        _take(chosen, [g for g in groups if g[0].source == source], share)
    _take(chosen, [g for g in groups if g not in chosen], wanted - sum(map(len, chosen)))
    return chosen


def _take(chosen: list[Group], groups: Iterable[Group], wanted: int) -> None:
    for group in groups:
        if len(group) <= wanted:
            chosen.append(group)
            wanted -= len(group)


def _shares(groups: Sequence[Group], wanted: int) -> dict[str, int]:
    """Divide `wanted` by the largest remainders over the sources' numbers of cases."""
    sizes: dict[str, int] = defaultdict(int)
    for group in groups:
        sizes[group[0].source] += len(group)
    total = sum(sizes.values())
    shares = {source: wanted * size // total for source, size in sizes.items()} if total else {}
    by_remainder = sorted(shares, key=lambda s: (-(wanted * sizes[s] % total), s))
    for source in by_remainder[: wanted - sum(shares.values())]:
        shares[source] += 1
    return shares


def _ids(groups: Iterable[Group]) -> tuple[str, ...]:
    return tuple(sorted(case.case_id for group in groups for case in group))
