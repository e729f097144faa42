"""Training on a part of the labelled cases (Fig. 7): every part holds the smaller ones."""

from collections import Counter
from collections.abc import Iterable, Sequence

from voxsiam.errors import UserError
from voxsiam.types import Split
from voxsiam_data.splits.groups import (
    Group,
    Splittable,
    ids_of,
    num_cases,
    rounded,
    source_of,
    training_groups,
)


def with_label_fraction(
    split: Split, cases: Iterable[Splittable], *, fraction: float, seed: int
) -> Split:
    """Leave out training cases; validation and test stay as they are.

    Of two fractions with one seed, the smaller gives a subset of the larger: both are beginnings
    of one sequence of patients, which holds every source at its share.

    Args:
        cases: All that it names, with their patients and sources.
        fraction: Of the training cases, in (0, 1]; rounded, where the sizes of the patients'
            groups allow, to at least one case.
    """
    if not 0 < fraction <= 1:
        raise UserError(
            f"A fraction of {fraction:g} of the training cases has no meaning.",
            where="fraction",
            fix="choose it above 0 and at most 1",
        )
    sequence = _interleaved(training_groups(split, cases, seed))
    count = len(set(split.train))
    wanted = rounded(count * fraction, 1, count)
    lengths = range(1, len(sequence) + 1)
    # The nearest size; of two that are equally near, the smaller: this grows with the fraction.
    best = min(lengths, key=lambda n: (abs(num_cases(sequence[:n]) - wanted), n))
    return split.model_copy(update={"train": ids_of(sequence[:best])})


def _interleaved(groups: Sequence[Group]) -> list[Group]:
    """Order patients so that every beginning holds each source at about its share."""
    waiting: dict[str, list[Group]] = {}
    for group in reversed(groups):
        waiting.setdefault(source_of(group), []).append(group)
    sizes = {source: num_cases(of_source) for source, of_source in waiting.items()}
    taken: Counter[str] = Counter()
    ordered: list[Group] = []
    while waiting:
        # The source that has least of what is due to it; within it, the order of the draw.
        source = min(waiting, key=lambda s: ((taken[s] + 0.5) / sizes[s], s))
        ordered.append(waiting[source].pop())
        taken[source] += len(ordered[-1])
        if not waiting[source]:
            del waiting[source]
    return ordered
