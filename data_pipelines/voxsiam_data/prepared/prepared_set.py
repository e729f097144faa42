"""A prepared data set, opened for reading."""

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float16, UInt8

from voxsiam.errors import UserError, nearest_name
from voxsiam.regular_files import require_regular
from voxsiam.small_files import LARGE, read_json_bytes
from voxsiam.types import NativeReference, Volume
from voxsiam.volumes.placement import box_of, whole_box
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.manifest import DataKind
from voxsiam_data.prepared.entries import (
    ARRAYS,
    MOST_ARRAY_BYTES,
    NATIVE_LABEL,
    damaged_file,
    read_facts,
    read_native_label,
)
from voxsiam_data.prepared.record import (
    PREPARE,
    RECORD,
    LeftOut,
    PreparedCase,
    PreparedRecord,
    read_record,
    require_sealed,
    unusable,
)
from voxsiam_data.prepared.record_seal import read_seal

VOLUMES = "volumes"


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
            verify: Compare the checksums of its files first.

        Raises:
            UserError: The case is unknown, or its files are damaged or gone.
        """
        case = self.case(case_id)
        folder = self.folder(case)
        if verify:
            require_sound(folder, case)
        image, label = read_arrays(folder, case)
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
        require_sound(folder, case)
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
    folder: Path, case: PreparedCase
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
        raise _damaged(folder, case.case_id) from error
    if (image.dtype, label.dtype) != (np.float16, np.uint8):
        raise _damaged(folder, case.case_id)
    if not image.shape == label.shape == case.shape:
        raise _contradicted(folder, case.case_id, "shape")
    return image, label


def open_prepared(path: Path) -> PreparedSet:
    """Open a prepared set.

    Raises:
        UserError: There is none, it was made by another version, or its record was altered.
    """
    file = path / RECORD
    if not file.exists():
        raise UserError(
            "This is not a prepared data set.", where=str(path), fix=f"make one: {PREPARE}"
        )
    try:
        seal = read_seal(path)
        content = read_json_bytes(file, LARGE)
    except (OSError, ValueError) as error:
        raise unusable(str(file), "The record of the prepared set cannot be read.") from error
    require_sealed(content, seal, str(file))
    return PreparedSet.of_record(read_record(content, str(file)), path.resolve())


def require_sound(folder: Path, case: PreparedCase) -> None:
    """Refuse an entry whose files are not what was written, by checksum, or not what is recorded.

    Raises:
        UserError: They are damaged or gone, or say something else of the case than its set.
    """
    if damaged := damaged_file(folder):
        raise _damaged(folder / damaged, case.case_id)
    facts = read_facts(folder)
    if facts and (field := case.differing(facts)):
        raise _contradicted(folder, case.case_id, field)


def _contradicted(folder: Path, case_id: str, field: str) -> UserError:
    return UserError(
        f"The record of the set says another {field} of '{case_id}' than its own files.",
        where=str(folder),
        fix=f"one of them was altered; prepare the data again: {PREPARE}",
    )


def _damaged(file: Path, case_id: str) -> UserError:
    return UserError(
        f"The prepared volume of '{case_id}' is damaged: its checksum does not match.",
        where=str(file),
        fix=f"prepare the data again, only damaged volumes are redone: {PREPARE}",
    )
