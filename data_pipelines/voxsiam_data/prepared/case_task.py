"""One case on its way into the cache: what a task is told, what it does, what it answers."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from voxsiam.errors import UserError
from voxsiam.fingerprint import fingerprint
from voxsiam.types import CropBox, Frozen
from voxsiam.volumes.label_files import LabelFiles, Labels
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.preparation import PREPARATION_VERSION, prepare_volume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam.volumes.volume_file import image_files, read_image
from voxsiam_data.checks import CHECKS_VERSION
from voxsiam_data.checks.case import refusals_of
from voxsiam_data.prepared.entries import EntryFacts, mark_checked, read_sound_entry, write_entry
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

    def source_files(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """List the files of its image, and those of its labels."""
        return image_files(self.image), self.label.files

    def key(self, image_sha256: Sequence[str], label_sha256: Sequence[str]) -> str:
        """Name the arrays that files of these checksums give, and the entry that holds them."""
        decides = {
            "image": image_sha256,
            "label": label_sha256,
            "label_meaning": self.label.meaning(),
            "config": self.config.model_dump(mode="json"),
            "crop": self.crop,
            "version": PREPARATION_VERSION,
        }
        # Where nobody chose, keys are those of before there was a choice.
        return fingerprint(decides | ({"geometry": self.geometry} if self.geometry else {}))


class CaseReady(Frozen):
    """A case that is in the cache, and those of its source files that had to be read."""

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
        """Take an error apart, so that it can travel as JSON: a slice's name may be any bytes."""
        what, where, fix = (
            text.encode(errors="backslashreplace").decode()
            for text in (error.what, error.where, error.fix)
        )
        return cls(case_id=case_id, what=what, where=where, fix=fix)

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
        refusal = error
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        refusal = UserError(
            f"Its preparation failed ({type(error).__name__}: {told}).",
            where=str(request.image),
            fix="look at its files; prepare again, or leave the case out",
        )
    return CaseRefused.of(request.case_id, refusal)


def is_done(facts: EntryFacts, *, checked: bool) -> bool:
    """Tell whether an entry has passed the checks of today, where that is asked."""
    return not checked or facts.checks_version == CHECKS_VERSION


def _prepared(request: CaseRequest) -> CaseReady:
    label, geometry = request.label, request.geometry
    parts = request.source_files()
    files = {path: known_file(path) for paths in parts for path in paths}
    key = request.key(*([files[path].sha256 for path in paths] for paths in parts))
    facts = read_sound_entry(request.volumes / key)
    if facts is None:
        inspect = partial(_inspect, request) if request.checked else None
        volume = prepare_volume(
            request.image, label, request.config, request.crop, inspect, geometry
        )
        _check_unchanged(files)
        passed = CHECKS_VERSION if request.checked else None
        facts = write_entry(request.volumes, key, volume, passed)
    elif not is_done(facts, checked=request.checked):
        scan = read_image(request.image, geometry)
        native, notes = label.read_with_notes(scan, geometry)
        _inspect(request, scan, native)
        _check_unchanged(files)
        said = tuple(dict.fromkeys((*scan.notes, *notes)))
        facts = mark_checked(request.volumes / key, facts, CHECKS_VERSION, said)
    return CaseReady(case_id=request.case_id, key=key, facts=facts, files=tuple(files.values()))


def _inspect(request: CaseRequest, scan: Scan, label: Labels | None) -> None:
    if found := refusals_of(scan, label, request.label.annotated, request.label.organs):
        where = found[0].where or str(request.image)
        raise UserError(found[0].what, where=where, fix=found[0].fix)


def _check_unchanged(files: Mapping[Path, KnownFile]) -> None:
    for path, before in files.items():
        if known_file(path, before.sha256) != before:
            raise UserError(
                "The file changed while it was read.",
                where=str(path),
                fix="wait until it is written, then prepare again",
            )
