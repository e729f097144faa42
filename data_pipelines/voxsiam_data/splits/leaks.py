"""Does anything of the test reach the training? Asked of every split before it is used."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from voxsiam.errors import UserError, nearest_name
from voxsiam.types import Split
from voxsiam_data.prepared.entries import EntryFacts, read_facts
from voxsiam_data.prepared.intensity_statistics import known_statistics
from voxsiam_data.prepared.prepared_set import PreparedSet

_FILES = {"image.npy": "image", "label.npy": "label map", "native_label.npy.gz": "label map"}


def check_split(split: Split, prepared: PreparedSet, where: str = "split") -> tuple[str, ...]:
    """Refuse a split that leaks; return in sentences what could not be checked.

    It leaks where a case stands on two sides, cases of one patient do, the same image or label map
    does, or the set is scaled by statistics of test cases. Errors name `where`, the split's file.
    """
    side_of = _sides(split, prepared, where)
    used = [case for case in prepared.cases if case.case_id in side_of]
    patients = {case.case_id: case.patient_id for case in used}
    _refuse_shared(patients, side_of, where, "belong to one patient", _PATIENT_FIX)
    # Whoever loads a volume without facts refuses it.
    read = {case.case_id: read_facts(prepared.folder(case)) for case in used}
    facts = {name: one for name, one in read.items() if one}
    for file, noun in _FILES.items():
        sums = {name: one.sha256[file] for name, one in facts.items() if file in one.sha256}
        _refuse_shared(sums, side_of, where, f"hold the same {noun}", _COPY_FIX)
    _refuse_alike(facts, side_of, where)
    return _check_statistics(split, prepared)


_PATIENT_FIX = "put them on one side, or correct the patients in patients.csv and prepare again"
_COPY_FIX = "remove one, or give both the same patient_id in patients.csv and prepare again"

MAX_SKETCH_DIFFERENCE = 0.05
"""Of two images that are one scan. One HU more or less in each voxel: at most 0.002, noise of 5 HU
0.012; 870 pairs of other phantoms and painted cases: at least 0.53."""


def _sides(split: Split, prepared: PreparedSet, where: str) -> dict[str, str]:
    known = {case.case_id for case in prepared.cases}
    sides: dict[str, str] = {}
    for side, ids in split:
        for case_id in ids:
            if case_id not in known:
                raise UserError(
                    f"The split names the case '{case_id}', which is not in {prepared.name}.",
                    where=where,
                    fix=nearest_name(case_id, tuple(sorted(known))[:50]),
                )
            if case_id in sides:
                raise UserError(
                    f"The case '{case_id}' stands under {sides[case_id]} and under {side}.",
                    where=where,
                    fix="leave it on one side",
                )
            sides[case_id] = side
    return sides


def _refuse_shared(
    marks: Mapping[str, str], side_of: Mapping[str, str], where: str, what: str, fix: str
) -> None:
    """Refuse two cases of different sides that have one mark."""
    by_mark: dict[str, list[str]] = {}
    for case_id, mark in marks.items():
        by_mark.setdefault(mark, []).append(case_id)
    for ids in by_mark.values():
        for first, second in pairwise(sorted(ids, key=lambda case_id: side_of[case_id])):
            if side_of[first] != side_of[second]:
                raise _crosses((first, second), side_of, where, what, fix)


def _refuse_alike(facts: Mapping[str, EntryFacts], side_of: Mapping[str, str], where: str) -> None:
    """Refuse a scan that stands on another side again, changed a little: noise, other labels."""
    sketches = {name: np.array(one.sketch) for name, one in facts.items()}
    for side in ("test", "validation"):
        ours = [name for name in sketches if side_of[name] == side]
        others = [name for name in sketches if side_of[name] not in (side, "test")]
        table = np.array([sketches[name] for name in others])
        for name in ours if others else ():
            apart = np.abs(table - sketches[name]).max(axis=1)
            if apart.min() <= MAX_SKETCH_DIFFERENCE:
                pair = (name, others[int(apart.argmin())])
                raise _crosses(pair, side_of, where, "hold nearly the same image", _COPY_FIX)


def _crosses(
    pair: tuple[str, str], side_of: Mapping[str, str], where: str, what: str, fix: str
) -> UserError:
    first, second = sorted(pair, key=lambda case_id: side_of[case_id])
    return UserError(
        f"The cases '{first}' ({side_of[first]}) and '{second}' ({side_of[second]}) {what}.",
        where=where,
        fix=fix,
    )


def _check_statistics(split: Split, prepared: PreparedSet) -> tuple[str, ...]:
    config = prepared.config
    if config.mean_hu is None or config.std_hu is None:
        return ()
    records = known_statistics(prepared.root, config.mean_hu, config.std_hu)
    if not records:
        return (
            f"Not checked: {prepared.root} does not say on which cases mean_hu={config.mean_hu:g} "
            f"and std_hu={config.std_hu:g} were computed (voxsiam data statistics does).",
        )
    tested = [sorted(set(split.test) & set(record.cases)) for record in records]
    seen = min(tested, key=len)
    if not seen:
        return ()
    raise UserError(
        f"mean_hu={config.mean_hu:g} and std_hu={config.std_hu:g} were computed on "
        f"{len(seen)} test cases, first '{seen[0]}'.",
        where=str(prepared.root),
        fix="compute them on the training cases of this split: voxsiam data statistics, and "
        "prepare again",
    )
