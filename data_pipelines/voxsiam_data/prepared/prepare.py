"""Prepare a data set: a Ray Data job, one task a case, into a content-addressed cache.

A finished set costs no task: source files are recognised by size and times, volumes by their
checksums. Tasks return a few words; the arrays go to disk where they are made.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from voxsiam.durable_files import remove_abandoned
from voxsiam.errors import UserError
from voxsiam.types import CropBox
from voxsiam.volumes.grid_memory import free_memory, require_room
from voxsiam.volumes.image_files import image_files
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
from voxsiam_data.prepared.entries import entry_key, read_sound_entry
from voxsiam_data.prepared.file_index import FileIndex
from voxsiam_data.prepared.output import open_output, require_no_other_set, write_record
from voxsiam_data.prepared.prepared_set import VOLUMES, PreparedSet, open_prepared
from voxsiam_data.prepared.record import RECORD
from voxsiam_data.sources import crop_boxes
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
    on_case: Callable[[int, int], None] | None = None,
    on_refused: Callable[[CaseRefused], None] | None = None,
) -> PreparedSet:
    """Prepare every case of a data set that is not prepared yet.

    Args:
        manifest: The data set, as a source has read it.
        output: Folder of the prepared set; it may hold other preparations of the same data.
        config: Grid, window and readings.
        bad_cases: What to do about them.
        on_case: Told (cases done, cases in all) whenever a case is done.
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
    outcomes = _finished(manifest, index, root / VOLUMES, config, checked=bad_cases.checked)
    report, tell = on_case or (lambda _done, _total: None), on_refused or (lambda _case: None)
    report(len(outcomes), len(manifest.cases))
    waiting = [case for case in manifest.cases if case.case_id not in outcomes]
    requests = [_request(case, config, root, checked=bad_cases.checked) for case in waiting]
    try:
        for outcome in run_cases(requests, prepare_case):
            outcomes[outcome.case_id] = outcome
            report(len(outcomes), len(manifest.cases))
    finally:
        done = [outcome for outcome in outcomes.values() if isinstance(outcome, CaseReady)]
        index.remember(file for outcome in done for file in outcome.files)
    outcomes |= _repeated_images(manifest, outcomes)
    in_order = [(case, outcomes[case.case_id]) for case in manifest.cases]
    ready = [(case, outcome) for case, outcome in in_order if isinstance(outcome, CaseReady)]
    here = [outcome for _, outcome in in_order if isinstance(outcome, CaseRefused)]
    refused = [*bad_cases.known, *here]
    for outcome in refused:
        tell(outcome)
    if refused and not (bad_cases.leave_out and ready):
        raise joined(tuple(RefusedCase(one.case_id, one.error) for one in refused), len(ready))
    write_record(root / RECORD, manifest, config, ready, refused)
    return open_prepared(root)


def _require_boxes(manifest: Manifest, config: PreparationConfig) -> None:
    if config.crop == "box" and not any(case.crop_box for case in manifest.cases):
        raise UserError(
            "The cases are to be cropped to their boxes, but none of them has one.",
            where=str(manifest.root / crop_boxes.FILE_NAME),
            fix=f"write the boxes there ({', '.join(crop_boxes.COLUMNS)}), or set another crop",
        )


def _crop(case: Case, config: PreparationConfig) -> CropBox | None:
    """Leave out a box that is not used: it must not name the volume."""
    return case.crop_box if config.crop == "box" else None


def _finished(
    manifest: Manifest,
    index: FileIndex,
    volumes: Path,
    config: PreparationConfig,
    *,
    checked: bool,
) -> dict[str, CaseOutcome]:
    """Find the cases whose files have not changed and whose entries are sound, and checked."""

    def find(case: Case) -> CaseReady | None:
        known = _known_sha256(index, case)
        if known is None:
            return None
        key = entry_key(*known, case.label, config, _crop(case, config), case.geometry)
        facts = read_sound_entry(volumes / key)
        if facts is None or not is_done(facts, checked=checked):
            return None
        return CaseReady(case_id=case.case_id, key=key, facts=facts)

    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(find, manifest.cases))
    return {outcome.case_id: outcome for outcome in found if outcome}


def _known_sha256(index: FileIndex, case: Case) -> tuple[list[str], list[str]] | None:
    """Look up the checksums of image and label; None where a file is new or has changed."""
    try:
        sides = (image_files(_image(case)), case.label.files)
        image, label = ([index.sha256(path) for path in side] for side in sides)
    except UserError:
        return None  # its task tells what is wrong
    known = [value for value in (*image, *label) if value is not None]
    if len(known) < len(image) + len(label):
        return None
    return known[: len(image)], known[len(image) :]


def _image(case: Case) -> Path:
    if case.image is None:
        raise UserError(
            f"The case '{case.case_id}' has no image.",
            where=str(case.label.files[0]),
            fix="prepare a data set that holds the scans",
        )
    return case.image


def _request(case: Case, config: PreparationConfig, root: Path, *, checked: bool) -> CaseRequest:
    return CaseRequest(
        case_id=case.case_id,
        image=_image(case),
        label=case.label,
        config=config,
        volumes=root / VOLUMES,
        crop=_crop(case, config),
        geometry=case.geometry,
        checked=checked,
    )


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
