"""A prepared data set, opened for reading."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float16, UInt8
from pydantic import StringConstraints

from voxsiam.errors import UserError, nearest_name
from voxsiam.fingerprint import fingerprint
from voxsiam.regular_files import require_regular
from voxsiam.small_files import LARGE, read_json_bytes, require_few_values
from voxsiam.types import CropBox, Frozen, NativeReference, Shape, Spacing, Volume
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.placement import box_of, whole_box
from voxsiam.volumes.preparation import PREPARATION_VERSION
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.manifest import DataKind
from voxsiam_data.prepared.entries import (
    ARRAYS,
    MOST_ARRAY_BYTES,
    NATIVE_LABEL,
    damaged_file,
    read_native_label,
)

RECORD = "prepared.json"
VOLUMES = "volumes"
_COMMAND = "voxsiam data prepare SOURCE -o PREPARED"


class PreparedCase(Frozen):
    """One case of a prepared set.

    Attributes:
        key: Names its arrays: `volumes/<key>/`.
        shape: The training grid.
        spacing_mm: Size of a grid voxel.
        native_shape: Shape of the scan along d, h, w.
        native_spacing_mm: Its voxel size.
        box_dhw: The part of the scan on the grid, (start, stop) along d, h, w; None is all of it.
        organ_voxels: Grid voxels of each organ; 0 for one that is not in view.
        annotated: Organs that the annotator looked for; the others may lie in the background.
        geometry: The form of its NIfTI headers that was asked for.
        notes: What was odd about its files, and what was made of it.
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


class LeftOut(Frozen):
    """A case of the data set that could not be prepared."""

    case_id: str
    why: str


class PreparedRecord(Frozen):
    """What prepared.json holds; it is written last, so that its presence means completeness."""

    version: int
    name: str
    kind: DataKind
    fingerprint: str
    config: PreparationConfig
    cases: tuple[PreparedCase, ...]
    left_out: tuple[LeftOut, ...] = ()
    checked: bool = False


def data_fingerprint(config: PreparationConfig, cases: Iterable[PreparedCase]) -> str:
    """Name the volumes of a set: hash over the configuration and the sorted (case, key) pairs."""
    pairs = sorted((case.case_id, case.key) for case in cases)
    return fingerprint({"config": config.model_dump(mode="json"), "cases": pairs})


@dataclass(frozen=True)
class PreparedSet:
    """Volumes on one grid, ready for training.

    Attributes:
        root: Folder of the set.
        name: Folder name of the source.
        kind: Real, semi-synthetic or phantom.
        fingerprint: Same fingerprint, same volumes.
        config: How they were prepared.
        cases: In the order of the source.
        left_out: Cases of the source that could not be prepared.
        checked: Whether every case has passed the checks.
    """

    root: Path
    name: str
    kind: DataKind
    fingerprint: str
    config: PreparationConfig
    cases: tuple[PreparedCase, ...]
    left_out: tuple[LeftOut, ...] = ()
    checked: bool = False

    @classmethod
    def of_record(cls, record: PreparedRecord, root: Path) -> "PreparedSet":
        """Take what a record says of the set in a folder."""
        return cls(
            root=root,
            name=record.name,
            kind=record.kind,
            fingerprint=record.fingerprint,
            config=record.config,
            cases=record.cases,
            left_out=record.left_out,
            checked=record.checked,
        )

    @cached_property
    def _by_id(self) -> dict[str, PreparedCase]:
        return {case.case_id: case for case in self.cases}

    def case(self, case_id: str) -> PreparedCase:
        """Find a case by name."""
        if case_id in self._by_id:
            return self._by_id[case_id]
        raise UserError(
            f"There is no case '{case_id}'.",
            where=str(self.root),
            fix=nearest_name(case_id, tuple(case.case_id for case in self.cases)),
        )

    def load(self, case_id: str, *, verify: bool = True) -> Volume:
        """Load one volume into memory.

        Args:
            case_id: Name of the case.
            verify: Compare the checksums of its files first.

        Raises:
            UserError: The case is unknown, or its files are damaged or gone.
        """
        case = self.case(case_id)
        folder = self.folder(case)
        if verify:
            require_sound(folder, case_id)
        image, label = read_arrays(folder, case_id)
        return Volume(
            case_id, image.astype(np.float32), np.array(label), case.spacing_mm, case.annotated
        )

    @property
    def record_file(self) -> Path:
        """Names every volume by its contents: equal records are equal sets."""
        return self.root / RECORD

    def folder(self, case: PreparedCase) -> Path:
        """Where the files of a case lie."""
        return self.root / VOLUMES / case.key

    def load_native(self, case_id: str) -> NativeReference:
        """Load the label map of one case on its scan's own grid.

        Raises:
            UserError: The case is unknown, or its files are damaged or gone.
        """
        case = self.case(case_id)
        folder = self.folder(case)
        require_sound(folder, case_id)
        try:
            label = read_native_label(folder, case.native_shape)
        except (OSError, ValueError, EOFError, zlib.error) as error:
            raise _damaged(folder / NATIVE_LABEL, case_id) from error
        box = box_of(case.box_dhw) if case.box_dhw else whole_box(case.native_shape)
        return NativeReference(label, case.native_spacing_mm, box)

    def describe(self) -> list[dict[str, object]]:
        """Describe each case in plain values, for a table."""
        return [
            {
                "case": case.case_id,
                "patient": case.patient_id,
                "source": case.source,
                "native_shape": list(case.native_shape),
                "native_spacing_mm": list(case.native_spacing_mm),
                "box": case.box_dhw and [list(extent) for extent in case.box_dhw],
                "shape": list(case.shape),
                "spacing_mm": list(case.spacing_mm),
                "organs": [organ for organ, count in case.organ_voxels.items() if count],
            }
            for case in self.cases
        ]


def read_arrays(
    folder: Path, case_id: str
) -> tuple[Float16[np.ndarray, "d h w"], UInt8[np.ndarray, "d h w"]]:
    """Map image and label of a case into memory; nothing is read until it is looked at.

    Raises:
        UserError: They are damaged or gone.
    """
    try:
        for name in ARRAYS:
            require_regular(folder / name, MOST_ARRAY_BYTES)
        image, label = (
            np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in ARRAYS
        )
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, case_id) from error
    forms = (image.ndim, image.dtype, label.dtype, label.shape)
    if forms != (3, np.float16, np.uint8, image.shape):
        raise _damaged(folder, case_id)
    return image, label


def open_prepared(path: Path) -> PreparedSet:
    """Open a prepared set.

    Raises:
        UserError: There is none, it was made by another version, or its record was altered.
    """
    file = path / RECORD
    if not file.exists():
        raise UserError(
            "This is not a prepared data set.", where=str(path), fix=f"make one: {_COMMAND}"
        )
    try:
        content = read_json_bytes(file, LARGE)
    except (OSError, ValueError) as error:
        raise _unusable(str(file), "The record of the prepared set cannot be read.") from error
    return PreparedSet.of_record(read_record(content, str(file)), path.resolve())


def read_record(content: bytes, where: str) -> PreparedRecord:
    """Read the record of a set.

    Args:
        content: Of its file.
        where: The file, for errors.

    Raises:
        UserError: It was made by another version, or altered.
    """
    try:
        require_few_values(content, LARGE)
        record = PreparedRecord.model_validate_json(content)
    except ValueError as error:
        raise _unusable(where, "The record of the prepared set cannot be read.") from error
    if record.version != PREPARATION_VERSION:
        raise _unusable(
            where, f"It was prepared by version {record.version}, this is {PREPARATION_VERSION}."
        )
    if record.fingerprint != data_fingerprint(record.config, record.cases):
        raise _unusable(where, "The record was altered: its fingerprint does not fit its cases.")
    return record


def _unusable(file: str, what: str) -> UserError:
    return UserError(what, where=file, fix=f"prepare it again: {_COMMAND}")


def require_sound(folder: Path, case_id: str) -> None:
    """Refuse an entry whose files are not what was written, by checksum.

    Raises:
        UserError: They are damaged or gone.
    """
    if damaged := damaged_file(folder):
        raise _damaged(folder / damaged, case_id)


def _damaged(file: Path, case_id: str) -> UserError:
    return UserError(
        f"The prepared volume of '{case_id}' is damaged: its checksum does not match.",
        where=str(file),
        fix=f"prepare the data again, only damaged volumes are redone: {_COMMAND}",
    )
