"""Prepare a data set: a Ray Data job, one task a case, into a content-addressed cache.

A finished set costs no task: source files are recognised by size and times, volumes by their
checksums. Tasks return a few words; the arrays go to disk where they are made.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile

import ray
import ray.data
from pydantic import TypeAdapter

from data_pipelines.entries import EntryFacts, entry_key, read_sound_entry, write_entry
from data_pipelines.file_index import FileIndex, KnownFile, known_file
from data_pipelines.manifest import Case, Manifest
from data_pipelines.prepared_set import (
    RECORD,
    VOLUMES,
    PreparedCase,
    PreparedRecord,
    PreparedSet,
    data_fingerprint,
    open_prepared,
)
from data_pipelines.sources import crop_boxes
from data_pipelines.sources.detect import read_source
from voxsiam.durable_files import remove_abandoned, write_text_atomically
from voxsiam.errors import UserError
from voxsiam.types import CropBox, Frozen
from voxsiam.volumes.image_files import image_files
from voxsiam.volumes.label_files import LabelFiles
from voxsiam.volumes.preparation import PREPARATION_VERSION, prepare_volume
from voxsiam.volumes.preparation_config import PreparationConfig

_INDEX = "index.json"


class CaseRequest(Frozen):
    """What a task needs to prepare one case."""

    case_id: str
    image: Path
    label: LabelFiles
    config: PreparationConfig
    volumes: Path
    crop: CropBox | None = None


class CaseReady(Frozen):
    """A case that is in the cache.

    Attributes:
        files: Its source files with their checksums, where they had to be read.
    """

    case_id: str
    key: str
    facts: EntryFacts
    files: tuple[KnownFile, ...] = ()


class CaseRefused(Frozen):
    """A case that cannot be prepared, with the parts of its UserError."""

    case_id: str
    what: str
    where: str
    fix: str


CaseOutcome = CaseReady | CaseRefused
_OUTCOME: TypeAdapter[CaseOutcome] = TypeAdapter(CaseOutcome)


def prepare(
    source: Path,
    output: Path,
    config: PreparationConfig,
    *,
    on_case: Callable[[int, int], None] | None = None,
) -> PreparedSet:
    """Prepare every case of a data set that is not prepared yet.

    Args:
        source: Data set in a layout that `sources.detect` knows.
        output: Folder of the prepared set; it may hold other preparations of the same data.
        config: Grid, window and readings.
        on_case: Told (cases done, cases in all) whenever a case is done.

    Raises:
        UserError: The source or output is unusable, or at least one case is bad. All cases are
            tried first, and the good ones are kept for the next call.
    """
    root = _open_output(output)
    manifest = read_source(source)
    _require_boxes(manifest, config)
    remove_abandoned(root)
    remove_abandoned(root / VOLUMES)
    index = FileIndex(root / _INDEX)
    outcomes = _finished(manifest, index, root / VOLUMES, config)
    report = on_case or (lambda _done, _total: None)
    report(len(outcomes), len(manifest.cases))
    waiting = [case for case in manifest.cases if case.case_id not in outcomes]
    for outcome in _run_tasks([_request(c, config, root) for c in waiting]):
        outcomes[outcome.case_id] = outcome
        report(len(outcomes), len(manifest.cases))
    ready = [outcome for outcome in outcomes.values() if isinstance(outcome, CaseReady)]
    index.remember(file for outcome in ready for file in outcome.files)
    _write_record(root / RECORD, manifest, config, _prepared_cases(manifest, outcomes))
    return open_prepared(root)


def prepare_case(request: CaseRequest) -> CaseOutcome:
    """Prepare one case into the cache, unless it is there; a bad case is told, not raised."""
    try:
        label, config, crop = request.label, request.config, request.crop
        paths = (image_files(request.image), label.files)
        known = [[known_file(path) for path in side] for side in paths]
        image_sha256, label_sha256 = ([file.sha256 for file in side] for side in known)
        files = tuple(file for side in known for file in side)
        key = entry_key(image_sha256, label_sha256, label, config, crop)
        facts = read_sound_entry(request.volumes / key)
        if facts is None:
            volume = prepare_volume(request.image, label, config, crop)
            _check_unchanged([path for side in paths for path in side], files)
            facts = write_entry(request.volumes, key, volume)
    except UserError as error:
        return CaseRefused(
            case_id=request.case_id, what=error.what, where=error.where, fix=error.fix
        )
    return CaseReady(case_id=request.case_id, key=key, facts=facts, files=files)


def _open_output(output: Path) -> Path:
    try:
        root = output.resolve()
        (root / VOLUMES).mkdir(parents=True, exist_ok=True)
        for folder in (root, root / VOLUMES):
            with TemporaryFile(dir=folder):
                pass
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            "The output folder cannot be written.",
            where=str(output),
            fix="choose a folder that you may write to, on a disk with room",
        ) from error
    return root


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
    manifest: Manifest, index: FileIndex, volumes: Path, config: PreparationConfig
) -> dict[str, CaseOutcome]:
    """Find the cases whose files have not changed and whose entries are sound."""

    def find(case: Case) -> CaseReady | None:
        known = _known_sha256(index, case)
        if known is None:
            return None
        key = entry_key(*known, case.label, config, _crop(case, config))
        facts = read_sound_entry(volumes / key)
        return facts and CaseReady(case_id=case.case_id, key=key, facts=facts)

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


def _request(case: Case, config: PreparationConfig, root: Path) -> CaseRequest:
    return CaseRequest(
        case_id=case.case_id,
        image=_image(case),
        label=case.label,
        config=config,
        volumes=root / VOLUMES,
        crop=_crop(case, config),
    )


def _run_tasks(requests: Sequence[CaseRequest]) -> Iterable[CaseOutcome]:
    if not requests:
        return
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"request": request.model_dump_json()} for request in requests]
    tasks = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_task)
    for row in tasks.iter_rows():
        yield _OUTCOME.validate_json(row["outcome"])


def _task(row: dict[str, str]) -> dict[str, str]:
    request = CaseRequest.model_validate_json(row["request"])
    return {"outcome": prepare_case(request).model_dump_json()}


def _check_unchanged(paths: Iterable[Path], files: Iterable[KnownFile]) -> None:
    for path, before in zip(paths, files, strict=True):
        if known_file(path, before.sha256) != before:
            raise UserError(
                "The file changed while it was read.",
                where=str(path),
                fix="wait until it is written, then prepare again",
            )


def _prepared_cases(manifest: Manifest, outcomes: Mapping[str, CaseOutcome]) -> list[PreparedCase]:
    """Bring the outcomes into the order of the manifest, unless one of them is a refusal."""
    refused = [outcomes[c.case_id] for c in manifest.cases]
    refused = [outcome for outcome in refused if isinstance(outcome, CaseRefused)]
    if refused:
        raise _joined(refused)
    ready = [(c, o) for c in manifest.cases if isinstance(o := outcomes[c.case_id], CaseReady)]
    _refuse_shared_images(ready, manifest.root)
    return [
        PreparedCase(
            case_id=case.case_id,
            patient_id=case.patient_id,
            source=case.source,
            key=outcome.key,
            **outcome.facts.model_dump(exclude={"sha256"}),
        )
        for case, outcome in ready
    ]


def _joined(refused: Sequence[CaseRefused]) -> UserError:
    first, others = refused[0], len(refused) - 1
    more = f" ({others} other case{'s are' if others > 1 else ' is'} bad too.)" if others else ""
    return UserError(first.what + more, where=first.where, fix=first.fix)


def _refuse_shared_images(ready: Iterable[tuple[Case, CaseReady]], source: Path) -> None:
    """Refuse the same scan under two patients: it could train and test."""
    seen: dict[str, Case] = {}
    for case, outcome in ready:
        other = seen.setdefault(outcome.facts.sha256["image.npy"], case)
        if other.patient_id != case.patient_id:
            raise UserError(
                f"Cases '{other.case_id}' and '{case.case_id}' hold the same image.",
                where=str(source),
                fix="remove one, or give both the same patient_id in patients.csv",
            )


def _write_record(
    path: Path, manifest: Manifest, config: PreparationConfig, cases: Sequence[PreparedCase]
) -> None:
    record = PreparedRecord(
        version=PREPARATION_VERSION,
        name=manifest.root.resolve().name,
        kind=manifest.kind,
        fingerprint=data_fingerprint(config, cases),
        config=config,
        cases=tuple(cases),
    )
    text = record.model_dump_json(indent=1)
    if not path.is_file() or path.read_text() != text:
        write_text_atomically(path, text)
