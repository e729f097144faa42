"""Does anything of the test reach the training? Asked of every split before it is used."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from voxsiam.errors import UserError, nearest_name
from voxsiam.types import Split
from voxsiam_data.prepared.entries import read_facts
from voxsiam_data.prepared.intensity_statistics import known_statistics
from voxsiam_data.prepared.prepared_set import VOLUMES, PreparedSet
from voxsiam_data.prepared.record import PreparedCase

_FILES = {"image.npy": "image", "label.npy": "label map", "native_label.npy.gz": "label map"}


def check_split(split: Split, prepared: PreparedSet, where: str = "split") -> tuple[str, ...]:
    """Refuse a split that leaks.

    Args:
        split: Every case must be of the set, and stand on one side.
        prepared: Patients, checksums and intensity statistics come from it.
        where: Named in errors: the file of the split.

    Returns:
        What could not be checked, in sentences.

    Raises:
        UserError: A case is unknown or stands on two sides, cases of one patient do, the same
            image or label map does, or the set is scaled by statistics of test cases.
    """
    side_of = _sides(split, prepared, where)
    used = [case for case in prepared.cases if case.case_id in side_of]
    _refuse_shared(
        used, side_of, lambda case: [case.patient_id], where, "belong to one patient", _PATIENT_FIX
    )
    for file, noun in _FILES.items():
        sums = _checksums(prepared.root / VOLUMES, file)
        _refuse_shared(used, side_of, sums, where, f"hold the same {noun}", _COPY_FIX)
    _refuse_alike(used, side_of, prepared.root / VOLUMES, where)
    return _check_statistics(split, prepared)


_PATIENT_FIX = "put them on one side, or correct the patients in patients.csv and prepare again"
_COPY_FIX = "remove one, or give both the same patient_id in patients.csv and prepare again"
_ALIKE = ("hold nearly the same image", _COPY_FIX)

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
    cases: Iterable[PreparedCase],
    side_of: dict[str, str],
    marks: Callable[[PreparedCase], Iterable[str]],
    where: str,
    what: str,
    fix: str,
) -> None:
    """Refuse two cases of different sides that have a mark in common."""
    by_mark: dict[str, list[str]] = {}
    for case in cases:
        for mark in marks(case):
            by_mark.setdefault(mark, []).append(case.case_id)
    for ids in by_mark.values():
        for first, second in pairwise(sorted(ids, key=lambda case_id: side_of[case_id])):
            if side_of[first] != side_of[second]:
                raise _crosses((first, second), side_of, where, (what, fix))


def _refuse_alike(
    cases: Sequence[PreparedCase], side_of: Mapping[str, str], volumes: Path, where: str
) -> None:
    """Refuse a scan that stands on another side again, changed a little: noise, other labels."""
    facts = {case.case_id: read_facts(volumes / case.key) for case in cases}
    sketches = {name: np.array(one.sketch) for name, one in facts.items() if one}
    for side in ("test", "validation"):
        ours = [name for name in sketches if side_of[name] == side]
        others = [name for name in sketches if side_of[name] not in (side, "test")]
        table = np.array([sketches[name] for name in others])
        for name in ours if others else ():
            apart = np.abs(table - sketches[name]).max(axis=1)
            if apart.min() <= MAX_SKETCH_DIFFERENCE:
                raise _crosses((name, others[int(apart.argmin())]), side_of, where, _ALIKE)


def _crosses(
    pair: tuple[str, str], side_of: Mapping[str, str], where: str, what: tuple[str, str]
) -> UserError:
    first, second = sorted(pair, key=lambda case_id: side_of[case_id])
    return UserError(
        f"The cases '{first}' ({side_of[first]}) and '{second}' ({side_of[second]}) {what[0]}.",
        where=where,
        fix=what[1],
    )


def _checksums(volumes: Path, file: str) -> Callable[[PreparedCase], Iterable[str]]:
    def read(case: PreparedCase) -> Iterable[str]:
        facts = read_facts(volumes / case.key)
        # Whoever loads a volume without facts refuses it.
        return (facts.sha256[file],) if facts and file in facts.sha256 else ()

    return read


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
