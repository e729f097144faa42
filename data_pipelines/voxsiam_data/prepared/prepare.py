"""Prepare a data set: a Ray Data job, one task a case, into a content-addressed cache.

A finished set costs no task: source files are recognised by size and times, volumes by their
checksums. Tasks return a few words; the arrays go to disk where they are made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxsiam.durable_files import remove_abandoned
from voxsiam.errors import UserError
from voxsiam.volumes.grid_memory import free_memory, require_room
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.manifest import Case, Manifest
from voxsiam_data.prepared.case_jobs import run_cases
from voxsiam_data.prepared.case_task import (
    CaseOutcome,
    CaseReady,
    CaseRefused,
    CaseRequest,
    is_done,
    prepare_case,
)
from voxsiam_data.prepared.entries import read_sound_entry
from voxsiam_data.prepared.file_index import FileIndex
from voxsiam_data.prepared.output import open_output, require_no_other_set, write_record
from voxsiam_data.prepared.prepared_set import VOLUMES, PreparedSet, open_prepared
from voxsiam_data.prepared.record import RECORD
from voxsiam_data.side_by_side import OnCase, side_by_side, unheard
from voxsiam_data.sources.case_tables import CROPS_COLUMNS, CROPS_FILE
from voxsiam_data.sources.file_names import require_text
from voxsiam_data.sources.found import RefusedCase, joined

_INDEX = "index.json"
_VOXEL_BYTES = 7  # a single and a half precision image, and a label


@dataclass(frozen=True)
class BadCases:
    """What to do about cases that are unusable.

    Attributes:
        checked: Whether to refuse what `voxsiam_data.checks` refuses; cases in the cache that
            have not passed the checks of today are read and checked again.
        leave_out: Whether to go on without refused cases; the set remembers them.
        known: Cases that the source has refused: they are not in the manifest.
    """

    checked: bool = True
    leave_out: bool = False
    known: tuple[CaseRefused, ...] = ()


def prepare(
    manifest: Manifest,
    output: Path,
    config: PreparationConfig,
    *,
    bad_cases: BadCases = BadCases(),
    on_case: OnCase = unheard,
    on_refused: Callable[[CaseRefused], None] = lambda _case: None,
) -> PreparedSet:
    """Prepare every case of a data set that is not prepared yet.

    Args:
        output: Folder of the prepared set; it may hold other preparations of the same data.
        on_refused: Told of each case that cannot be prepared, in the order of the data set.

    Raises:
        UserError: The output is unusable, or cases are bad and not to be left out. All cases are
            tried first, and the good ones are kept for the next call, as they are when the call
            is interrupted.
    """
    require_text(manifest)
    require_room(config.grid_dhw, _VOXEL_BYTES, free_memory(), "--grid")
    root = open_output(output)
    _require_boxes(manifest, config)
    require_no_other_set(root, manifest.title)
    remove_abandoned(root)
    remove_abandoned(root / VOLUMES)
    index = FileIndex(root / _INDEX)
    requests = [_request(each, config, root, checked=bad_cases.checked) for each in manifest.cases]
    outcomes = _finished(requests, index)
    on_case(len(outcomes), len(requests))
    waiting = [request for request in requests if request.case_id not in outcomes]
    try:
        for outcome in run_cases(waiting, prepare_case):
            outcomes[outcome.case_id] = outcome
            on_case(len(outcomes), len(requests))
    finally:
        done = [outcome for outcome in outcomes.values() if isinstance(outcome, CaseReady)]
        index.remember(file for outcome in done for file in outcome.files)
    outcomes |= _repeated_images(manifest, outcomes)
    in_order = [(case, outcomes[case.case_id]) for case in manifest.cases]
    ready = [(case, outcome) for case, outcome in in_order if isinstance(outcome, CaseReady)]
    refused = [*bad_cases.known]
    refused += [outcome for _, outcome in in_order if isinstance(outcome, CaseRefused)]
    for outcome in refused:
        on_refused(outcome)
    if refused and not (bad_cases.leave_out and ready):
        raise joined(tuple(RefusedCase(one.case_id, one.error) for one in refused), len(ready))
    write_record(root / RECORD, manifest, config, ready, refused)
    return open_prepared(root)


def _require_boxes(manifest: Manifest, config: PreparationConfig) -> None:
    if config.crop == "box" and not any(case.crop_box for case in manifest.cases):
        raise UserError(
            "The cases are to be cropped to their boxes, but none of them has one.",
            where=str(manifest.root / CROPS_FILE),
            fix=f"write the boxes there ({', '.join(CROPS_COLUMNS)}), or set another crop",
        )


def _request(case: Case, config: PreparationConfig, root: Path, *, checked: bool) -> CaseRequest:
    if case.image is None:
        raise UserError(
            f"The case '{case.case_id}' has no image.",
            where=str(case.label.files[0]),
            fix="prepare a data set that holds the scans",
        )
    return CaseRequest(
        case_id=case.case_id,
        image=case.image,
        label=case.label,
        config=config,
        volumes=root / VOLUMES,
        # A box that is not used must not name the volume.
        crop=case.crop_box if config.crop == "box" else None,
        geometry=case.geometry,
        checked=checked,
    )


def _finished(requests: Sequence[CaseRequest], index: FileIndex) -> dict[str, CaseOutcome]:
    """Find the cases whose files have not changed and whose entries are sound, and checked."""

    def find(request: CaseRequest) -> CaseReady | None:
        try:
            parts = request.source_files()
            known = [[sha256 for path in one if (sha256 := index.sha256(path))] for one in parts]
        except UserError:
            return None  # its task tells what is wrong
        if list(map(len, known)) != list(map(len, parts)):
            return None  # a file is new, or has changed
        key = request.key(*known)
        facts = read_sound_entry(request.volumes / key)
        if facts is None or not is_done(facts, checked=request.checked):
            return None
        return CaseReady(case_id=request.case_id, key=key, facts=facts)

    found = side_by_side(find, requests, at_a_time=4)
    return {outcome.case_id: outcome for outcome in found if outcome}


def _repeated_images(
    manifest: Manifest, outcomes: Mapping[str, CaseOutcome]
) -> dict[str, CaseOutcome]:
    """Refuse a scan that was there already under another patient: it could train and test."""
    seen: dict[str, Case] = {}
    refused: dict[str, CaseOutcome] = {}
    for case in manifest.cases:
        outcome = outcomes[case.case_id]
        if not isinstance(outcome, CaseReady):
            continue
        first = seen.setdefault(outcome.facts.sha256["image.npy"], case)
        if first.patient_id != case.patient_id:
            refused[case.case_id] = CaseRefused(
                case_id=case.case_id,
                what=f"Cases '{first.case_id}' and '{case.case_id}' hold the same image.",
                where=str(manifest.root),
                fix="remove one, or give both the same patient_id in patients.csv",
            )
    return refused
