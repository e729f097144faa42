"""A prepared data set, opened for reading."""

import zlib
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from jaxtyping import Float16, UInt8

from voxsiam.array_headers import HEADERS
from voxsiam.errors import UserError, nearest_name
from voxsiam.regular_files import require_regular
from voxsiam.small_files import LARGE, read_json_bytes
from voxsiam.types import NativeReference, Volume
from voxsiam.volumes.placement import box_of, whole_box
from voxsiam.volumes.preparation import PREPARATION_VERSION
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
    PreparedCase,
    PreparedRecord,
    read_record,
    unusable,
)
from voxsiam_data.prepared.record_seal import read_seal

VOLUMES = "volumes"


class PreparedSet(PreparedRecord):
    """Volumes on one grid, ready for training: what a record says of those in its folder."""

    root: Path
    version: int = PREPARATION_VERSION

    # Sets with other cases are made by the constructor: `model_copy` would keep this.
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
        """Load one volume into memory; checksums of its files are compared first (`verify`)."""
        case = self.case(case_id)
        folder = self.folder(case)
        if verify:
            require_sound(folder, case)
        image, label = read_arrays(folder, case)
        return self.volume(case_id, image.astype(np.float32), np.array(label))

    def volume(self, case_id: str, image: np.ndarray, label: np.ndarray) -> Volume:
        """Put the arrays of a case together with what the record says of it."""
        case = self.case(case_id)
        return Volume(case_id, image, label, case.spacing_mm, case.annotated, self.organs)

    @property
    def record_file(self) -> Path:
        """Names every volume by its contents: equal records are equal sets."""
        return self.root / RECORD

    def folder(self, case: PreparedCase) -> Path:
        """Where the files of a case lie."""
        return self.root / VOLUMES / case.key

    def load_native(self, case_id: str) -> NativeReference:
        """Load the label map of one case on its scan's own grid."""
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
    """Map image and label of a case into memory; nothing is read until it is looked at."""
    try:
        for name in ARRAYS:
            require_regular(folder / name, MOST_ARRAY_BYTES)
        with HEADERS:
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
    """Open a prepared set: one of this version, whose record was not altered."""
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
    return PreparedSet(root=path.resolve(), **dict(read_record(content, seal, str(file))))


def require_sound(folder: Path, case: PreparedCase) -> None:
    """Refuse an entry whose files are not what was written (by checksum), or what is recorded."""
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


class PreparedSets:
    """Finds a prepared set by its fingerprint; several threads may ask at once.

    Args:
        folders: Names the folders where one may lie; asked again as long as a set is not found.
    """

    def __init__(self, folders: Callable[[], Iterable[Path]]) -> None:
        self._folders = folders
        self._known: dict[str, PreparedSet] = {}
        self._lock = Lock()

    def find(self, fingerprint: str) -> PreparedSet | None:
        """Return the set of this fingerprint; None where no folder holds it."""
        with self._lock:
            if fingerprint not in self._known:
                self._look(fingerprint)
            return self._known.get(fingerprint)

    def _look(self, fingerprint: str) -> None:
        for folder in dict.fromkeys(self._folders()):
            try:
                found = open_prepared(folder)
            except (UserError, OSError):
                continue  # moved, closed to us, or of another version: as good as absent
            self._known[found.fingerprint] = found
            if found.fingerprint == fingerprint:
                return
