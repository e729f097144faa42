"""An organ that no case of a side shows cannot be learnt, or not be scored, there."""

from voxsiam.types import Split, organ_words
from voxsiam_data.prepared.record import PreparedRecord

_VERBS = {"train": "training", "validation": "validation", "test": "test"}


def absent_organs(split: Split, prepared: PreparedRecord) -> tuple[str, ...]:
    """Say, in a sentence for each side, which organs none of its cases shows."""
    by_id = {case.case_id: case for case in prepared.cases}
    notes: list[str] = []
    for side, ids in split:
        absent = [
            organ
            for organ in prepared.organs
            if not any(by_id[case_id].organ_voxels.get(organ, 0) for case_id in ids)
        ]
        if ids and absent:
            listed = ", ".join(map(organ_words, absent))
            notes.append(f"No {_VERBS[side]} case shows: {listed}.")
    return tuple(notes)
