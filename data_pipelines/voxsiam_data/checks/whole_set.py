"""What only the cases together show: organs that nobody has, or with the sizes of others.

That is what a wrong label protocol looks like: every label map is readable, and each of its notes
could be true of one patient.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from voxsiam.types import organ_words
from voxsiam.volumes.organ_volumes import LIVER_RATIO
from voxsiam_data.checks.finding import Finding, Severity
from voxsiam_data.checks.labels import OrganFacts

WHOLE_SET = "(all cases)"
"""Stands in the place of a case id."""

MIN_CASES = 3
MIN_ODD_ORGANS = 2
LARGE_ORGANS = ("liver", "spleen", "stomach", "left_kidney")
_IN_VIEW = (*LARGE_ORGANS, "esophagus", "pancreas", "duodenum")
"""Hardly ever missing where two of the large organs lie whole in the scan; a gallbladder is."""

_FIX = (
    "is the label protocol right (--protocol, dataset.json)? An organ that nobody outlined must "
    "have no value there"
)

CaseOrgans = Mapping[str, OrganFacts]


def check_whole_set(
    cases: Sequence[Sequence[OrganFacts]],
    annotated: Sequence[tuple[int, ...]],
    organs: Sequence[str],
) -> Iterator[Finding]:
    """Refuse a data set whose organs, taken together, are not where the protocol says.

    Args:
        cases: The organs of each case; those whose labels could not be read have none.
        annotated: Values of the organs that each case's annotator looked for.
        organs: What the values stand for, from 1.
    """
    pairs = [(facts, looked) for facts, looked in zip(cases, annotated, strict=True) if facts]
    if len(pairs) < MIN_CASES:
        return
    read: list[CaseOrgans] = [{one.organ: one for one in facts} for facts, _ in pairs]
    values = {value for _, looked in pairs for value in looked}
    looked_for = [organ for value, organ in enumerate(organs, start=1) if value in values]
    absent = [organ for organ in looked_for if not any(organ in case for case in read)]
    odd = [organ for organ in looked_for if _is_of_odd_size(organ, read)]
    severity: Severity = "refuse" if _is_wrong(absent, odd, looked_for, read) else "note"
    if absent:
        listed = ", ".join(map(organ_words, absent))
        what = f"Not one voxel of {listed} in {len(read)} cases."
        yield Finding("labels", severity, what, _FIX)
    if odd:
        listed = ", ".join(map(organ_words, odd))
        what = f"Of an unusual size beside the liver in most cases: {listed}."
        yield Finding("labels", severity, what, _FIX)


def _is_wrong(
    absent: list[str], odd: list[str], looked_for: list[str], read: list[CaseOrgans]
) -> bool:
    large = [organ for organ in LARGE_ORGANS if organ in looked_for]
    if len(large) > 1 and 2 * len(set(large) & set(absent)) > len(large):
        return True
    whole = [sum(o in case and not case[o].is_cut for o in LARGE_ORGANS) for case in read]
    shows_the_abdomen = sum(count > 1 for count in whole) >= MIN_CASES
    missed = [organ for organ in absent if organ in _IN_VIEW and shows_the_abdomen]
    return len(missed) + len(odd) >= MIN_ODD_ORGANS


def _is_of_odd_size(organ: str, read: list[CaseOrgans]) -> bool:
    """Compare with whole livers; a part of an organ may be as small as it likes."""
    if organ == "liver" or organ not in LIVER_RATIO:
        return False
    low, high = LIVER_RATIO[organ]
    beside = [
        (case[organ].volume_ml / case["liver"].volume_ml, case[organ].is_cut)
        for case in read
        if organ in case and "liver" in case and not case["liver"].is_cut
    ]
    whole = [ratio for ratio, is_cut in beside if not is_cut]
    too_large = len(beside) >= MIN_CASES and median(ratio for ratio, _ in beside) > high
    return too_large or (len(whole) >= MIN_CASES and median(whole) < low)
