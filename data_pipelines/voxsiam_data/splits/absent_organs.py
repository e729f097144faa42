"""An organ that no case of a side shows cannot be learnt, or not be scored, there."""

from collections.abc import Iterable

from voxsiam.types import ORGANS, Split, organ_words
from voxsiam_data.prepared.record import PreparedCase

_VERBS = {"train": "training", "validation": "validation", "test": "test"}


def absent_organs(split: Split, cases: Iterable[PreparedCase]) -> tuple[str, ...]:
    """Say, in a sentence for each side, which organs none of its cases shows."""
    by_id = {case.case_id: case for case in cases}
    notes: list[str] = []
    for side, ids in split:
        absent = [o for o in ORGANS if not any(by_id[i].organ_voxels.get(o, 0) for i in ids)]
        if ids and absent:
            listed = ", ".join(map(organ_words, absent))
            notes.append(f"No {_VERBS[side]} case shows: {listed}.")
    return tuple(notes)
