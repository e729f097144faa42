"""One case on its way into the cache: what a task is told, what it does, what it answers."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from voxsiam.errors import UserError
from voxsiam.types import CropBox, Frozen
from voxsiam.volumes.image_files import image_files, read_image
from voxsiam.volumes.label_files import LabelFiles, Labels
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.preparation import Inspection, prepare_volume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.checks import CHECKS_VERSION
from voxsiam_data.checks.case import refusals_of
from voxsiam_data.prepared.entries import (
    EntryFacts,
    entry_key,
    mark_checked,
    read_sound_entry,
    write_entry,
)
from voxsiam_data.prepared.file_index import KnownFile, known_file


class CaseRequest(Frozen):
    """What a task needs to prepare one case.

    Attributes:
        checked: Whether what the checks refuse is refused, from the cache too.
    """

    case_id: str
    image: Path
    label: LabelFiles
    config: PreparationConfig
    volumes: Path
    crop: CropBox | None = None
    geometry: Form | None = None
    checked: bool = True


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

    @classmethod
    def of(cls, case_id: str, error: UserError) -> "CaseRefused":
        """Take an error apart, so that it can travel as text."""
        return cls(case_id=case_id, what=error.what, where=error.where, fix=error.fix)

    @property
    def error(self) -> UserError:
        """The error again."""
        return UserError(self.what, where=self.where, fix=self.fix)


CaseOutcome = CaseReady | CaseRefused
OUTCOME: TypeAdapter[CaseOutcome] = TypeAdapter(CaseOutcome)


def prepare_case(request: CaseRequest) -> CaseOutcome:
    """Prepare one case into the cache, unless it is there; a bad case is told, not raised."""
    try:
        return _prepared(request)
    except UserError as error:
        return _refused(request, error.what, error.where, error.fix)
    except Exception as error:
        return _refused(
            request,
            f"Its preparation failed ({type(error).__name__}: {_one_line(error)}).",
            str(request.image),
            "look at its files; prepare again, or leave the case out",
        )


def is_done(facts: EntryFacts, *, checked: bool) -> bool:
    """Tell whether an entry has passed the checks of today, where that is asked."""
    return not checked or facts.checks_version == CHECKS_VERSION


def _prepared(request: CaseRequest) -> CaseReady:
    label, config, crop = request.label, request.config, request.crop
    paths = (image_files(request.image), label.files)
    known = [[known_file(path) for path in side] for side in paths]
    image_sha256, label_sha256 = ([file.sha256 for file in side] for side in known)
    files = tuple(file for side in known for file in side)
    geometry = request.geometry
    key = entry_key(image_sha256, label_sha256, label, config, crop, geometry)
    facts = read_sound_entry(request.volumes / key)
    passed = CHECKS_VERSION if request.checked else None
    if facts is None:
        inspect = _inspection(request) if request.checked else None
        volume = prepare_volume(request.image, label, config, crop, inspect, geometry)
        _check_unchanged([path for side in paths for path in side], files)
        facts = write_entry(request.volumes, key, volume, passed)
    elif not is_done(facts, checked=request.checked):
        scan = read_image(request.image, geometry)
        native, notes = label.read_with_notes(scan, geometry)
        _inspection(request)(scan, native)
        _check_unchanged([path for side in paths for path in side], files)
        said = tuple(dict.fromkeys((*scan.notes, *notes)))
        facts = mark_checked(request.volumes / key, facts, CHECKS_VERSION, said)
    return CaseReady(case_id=request.case_id, key=key, facts=facts, files=files)


def _refused(request: CaseRequest, what: str, where: str, fix: str) -> CaseRefused:
    what, where, fix = (_encodable(text) for text in (what, where, fix))
    return CaseRefused(case_id=request.case_id, what=what, where=where, fix=fix)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _encodable(text: str) -> str:
    """Escape what is not text: an outcome travels as JSON, a slice's name may be any bytes."""
    return text.encode(errors="backslashreplace").decode()


def _inspection(request: CaseRequest) -> Inspection:
    def inspect(scan: Scan, label: Labels | None) -> None:
        found = refusals_of(request.case_id, scan, label, request.label.annotated)
        if found:
            raise found[0].as_error(found[0].where or str(request.image))

    return inspect


def _check_unchanged(paths: Iterable[Path], files: Iterable[KnownFile]) -> None:
    for path, before in zip(paths, files, strict=True):
        if known_file(path, before.sha256) != before:
            raise UserError(
                "The file changed while it was read.",
                where=str(path),
                fix="wait until it is written, then prepare again",
            )
