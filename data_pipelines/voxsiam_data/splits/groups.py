"""Cases of one patient stay together; groups are drawn in an order that a seed names."""

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
"""The cases of one patient, sorted by name."""


def patient_groups(cases: Iterable[Splittable], seed: int, at_least: int = 2) -> list[Group]:
    """Group cases, in whatever order they come, by patient, in the order that the seed draws."""
    by_patient: dict[str, list[Splittable]] = defaultdict(list)
    for case in cases:
        by_patient[case.patient_id].append(case)
    if len(by_patient) < at_least:
        raise UserError(
            f"{sum(map(len, by_patient.values()))} cases of {len(by_patient)} patients cannot be "
            f"split {'into ' + str(at_least) + ' parts' if at_least > 2 else 'in two'}.",
            where="data set",
            fix=f"give cases of at least {at_least} patients, or ask for fewer parts",
        )
    ordered = sorted(by_patient, key=lambda patient: _draw_key(seed, patient))
    return [tuple(sorted(by_patient[p], key=lambda case: case.case_id)) for p in ordered]


def training_groups(split: Split, cases: Iterable[Splittable], seed: int) -> list[Group]:
    """Group the training cases of a split by patient, in the order of the draw."""
    train = set(split.train)
    return patient_groups((case for case in cases if case.case_id in train), seed, at_least=1)


def split_off(groups: Sequence[Group], test: Sequence[Group], validation_fraction: float) -> Split:
    """Test on some patients, draw the validation part from the others, and train on the rest."""
    rest = without(groups, test)
    validation = draw_validation(rest, validation_fraction)
    train = without(rest, validation)
    return Split(train=ids_of(train), validation=ids_of(validation), test=ids_of(test))


def draw(groups: Sequence[Group], wanted: int) -> list[Group]:
    """Take whole groups of up to so many cases: each source's share, then whatever still fits."""
    chosen: list[Group] = []
    for source, share in _shares(groups, wanted).items():
        _take(chosen, [g for g in groups if source_of(g) == source], share)
    _take(chosen, without(groups, chosen), wanted - num_cases(chosen))
    return chosen


def draw_validation(groups: Sequence[Group], fraction: float) -> list[Group]:
    """Draw the inner validation part of the cases that do not test; it may be none."""
    count = num_cases(groups)
    return draw(groups, rounded(count * fraction, 0, count - 1))


def without(groups: Iterable[Group], others: Iterable[Group]) -> list[Group]:
    """List the patients that are not among the others, in their order."""
    patients = {group[0].patient_id for group in others}
    return [group for group in groups if group[0].patient_id not in patients]


def source_of(group: Group) -> str:
    """Tell where a patient comes from: the source of the first case."""
    return group[0].source


def num_cases(groups: Iterable[Group]) -> int:
    """Count the cases of some patients."""
    return sum(map(len, groups))


def ids_of(groups: Iterable[Group]) -> tuple[str, ...]:
    """List the names of some patients' cases."""
    return tuple(sorted(case.case_id for group in groups for case in group))


def rounded(wanted: float, at_least: int, at_most: int) -> int:
    """Round to a whole number of cases within bounds, halves upwards."""
    # The small addition keeps 90 * 2/9 and its like from falling under a half by rounding error.
    return max(at_least, min(at_most, int(wanted + 0.5 + 1e-9)))


def check_fractions(test: float, validation: float) -> None:
    """Refuse fractions that leave a side without meaning."""
    if not (0 < test < 1 and 0 <= validation < 1):
        raise UserError(
            f"A split cannot test on {test:g} and validate on {validation:g}.",
            where="test_fraction, validation_fraction",
            fix="choose fractions above 0 (validation: 0 or above) and below 1",
        )


def _draw_key(seed: int, patient_id: str) -> str:
    return hashlib.sha256(f"{seed}\n{patient_id}".encode()).hexdigest()


def _take(chosen: list[Group], groups: Iterable[Group], wanted: int) -> None:
    for group in groups:
        if len(group) <= wanted:
            chosen.append(group)
            wanted -= len(group)


def _shares(groups: Sequence[Group], wanted: int) -> dict[str, int]:
    """Divide `wanted` by the largest remainders over the sources' numbers of cases."""
    sizes: dict[str, int] = defaultdict(int)
    for group in groups:
        sizes[source_of(group)] += len(group)
    total = sum(sizes.values())
    shares = {source: wanted * size // total for source, size in sizes.items()} if total else {}
    by_remainder = sorted(shares, key=lambda s: (-(wanted * sizes[s] % total), s))
    for source in by_remainder[: wanted - sum(shares.values())]:
        shares[source] += 1
    return shares
