"""The record of a prepared set, `prepared.json`: what it holds, and of whom."""

from collections.abc import Iterable
from math import prod
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError, model_validator

from voxsiam.errors import UserError
from voxsiam.fingerprint import fingerprint
from voxsiam.small_files import LARGE, require_few_values
from voxsiam.types import MOST_ORGANS, PAPER_ORGANS, CropBox, Frozen, Shape, Spacing
from voxsiam.volumes.claimed_size import MAX_VOXELS
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.preparation import PREPARATION_VERSION
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.manifest import DataKind
from voxsiam_data.prepared.entries import EntryFacts
from voxsiam_data.prepared.record_seal import RecordSeal

RECORD = "prepared.json"
PREPARE = "voxsiam data prepare SOURCE -o PREPARED"
_UNREADABLE = "The record of the prepared set cannot be read"


class PreparedCase(Frozen):
    """One case of a prepared set; what it repeats of its files stands in `EntryFacts`.

    Attributes:
        key: Names its arrays: `volumes/<key>/`.
        geometry: The form of its NIfTI headers that was asked for.
    """

    case_id: str
    patient_id: str
    source: str
    key: Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
    shape: Shape
    spacing_mm: Spacing
    native_shape: Shape
    native_spacing_mm: Spacing
    box_dhw: CropBox | None = None
    organ_voxels: dict[str, int]
    annotated: tuple[str, ...]
    geometry: Form | None = None
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _plausible(self) -> "PreparedCase":
        if min(*self.shape, *self.native_shape) < 1 or prod(self.native_shape) > MAX_VOXELS:
            raise ValueError("no volume has these shapes")
        if min(*self.spacing_mm, *self.native_spacing_mm) <= 0:
            raise ValueError("no voxel has this size")
        extents = zip(self.box_dhw or (), self.native_shape, strict=False)
        if not all(0 <= start < stop <= length for (start, stop), length in extents):
            raise ValueError("the box is no part of the scan")
        counts = self.organ_voxels.values()
        if any(count < 0 for count in counts) or sum(counts) > prod(self.shape):
            raise ValueError("no organs have so many voxels")
        return self

    def differing(self, facts: EntryFacts) -> str | None:
        """Name a field in which the files of the case say something else of it."""
        ours = self.model_dump()
        told = facts.for_record().items()
        # What the checks noted may be newer than the record.
        return next((n for n, value in told if n != "notes" and ours[n] != value), None)


class LeftOut(Frozen):
    """A case of the data set that could not be prepared."""

    case_id: str
    why: str


class PreparedRecord(Frozen):
    """What prepared.json holds; it is written last, so that its presence means completeness.

    Attributes:
        name: Folder name of the source.
        kind: Real, semi-synthetic or phantom.
        organs: The classes of its volumes, in the order of their label values.
        fingerprint: Same fingerprint, same volumes.
        config: How they were prepared.
        cases: In the order of the source.
        left_out: Cases of the source that could not be prepared.
        checked: Whether every case has passed the checks.
    """

    version: int
    name: str
    kind: DataKind
    organs: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_ORGANS)] = PAPER_ORGANS
    fingerprint: str
    config: PreparationConfig
    cases: tuple[PreparedCase, ...]
    left_out: tuple[LeftOut, ...] = ()
    checked: bool = False

    @model_validator(mode="after")
    def _plausible(self) -> "PreparedRecord":
        if len({case.case_id for case in self.cases}) < len(self.cases):
            raise ValueError("two cases have one name")
        if any(case.shape != self.config.grid_dhw for case in self.cases):
            raise ValueError("a case lies on another grid")
        if len(set(self.organs)) < len(self.organs):
            raise ValueError("two organs have one name")
        if not all(set(self.organs) >= {*c.organ_voxels, *c.annotated} for c in self.cases):
            raise ValueError("a case names what is none of the organs")
        return self

    @property
    def num_classes(self) -> int:
        """Count the organs and the background."""
        return len(self.organs) + 1


def data_fingerprint(
    config: PreparationConfig,
    cases: Iterable[PreparedCase],
    organs: tuple[str, ...] = PAPER_ORGANS,
) -> str:
    """Name the volumes of a set: hash over configuration, sorted (case, key) pairs and classes."""
    pairs = sorted((case.case_id, case.key) for case in cases)
    content = {"config": config.model_dump(mode="json"), "cases": pairs}
    # Sets of the paper's organs keep the names of before there was a choice.
    return fingerprint(content if organs == PAPER_ORGANS else content | {"organs": organs})


def read_record(content: bytes, seal: RecordSeal | None, where: str) -> PreparedRecord:
    """Read the record of a set, of this version and not altered; an old one may have no seal."""
    if seal is not None and not seal.fits(content):
        raise unusable(where, "The record was altered: its seal does not fit.")
    try:
        require_few_values(content, LARGE)
        record = PreparedRecord.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        why = f"{place}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
        raise unusable(where, f"{_UNREADABLE} ({why:.160}).") from error
    except ValueError as error:
        raise unusable(where, f"{_UNREADABLE} ({error}).") from error
    if record.version != PREPARATION_VERSION:
        raise unusable(
            where, f"It was prepared by version {record.version}, this is {PREPARATION_VERSION}."
        )
    if record.fingerprint != data_fingerprint(record.config, record.cases, record.organs):
        raise unusable(where, "The record was altered: its fingerprint does not fit its cases.")
    return record


def unusable(file: str, what: str) -> UserError:
    """Say that a set cannot be used as it is."""
    return UserError(what, where=file, fix=f"prepare it again: {PREPARE}")
