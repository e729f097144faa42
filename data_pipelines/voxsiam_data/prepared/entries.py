"""One prepared case on disk, named by its content.

`<key>/` holds image.npy and label.npy on the grid, native_label.npy.gz on the scan, and meta.json.
The key (`CaseRequest.key`) hashes all that decides the arrays, so those never change: an entry is
written beside its place and renamed into it, and whoever comes second drops his own. Only that it
passed the checks is noted in meta.json later.
"""

import errno
import gzip
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, UInt8

from voxsiam.array_headers import HEADERS
from voxsiam.durable_files import sha256_of, sync, temporary_beside, write_synced
from voxsiam.errors import UserError
from voxsiam.regular_files import open_regular
from voxsiam.small_files import read_json_bytes
from voxsiam.types import CropBox, Frozen, Shape, Spacing
from voxsiam.volumes.claimed_size import MAX_VOXELS
from voxsiam.volumes.placement import ranges_of
from voxsiam.volumes.preparation import PreparedVolume

ARRAYS = ("image.npy", "label.npy")
NATIVE_LABEL = "native_label.npy.gz"
SKETCH_PARTS = (4, 8, 8)
MOST_ARRAY_BYTES = 2 * MAX_VOXELS + 4096
"""The largest scan that is read, in half precision, and a header."""

_META = "meta.json"
_DEFLATE_LEVEL = 3  # level 6 takes twice the time to save 100 KB of a scan of 34 million voxels


class EntryFacts(Frozen):
    """What meta.json tells of the arrays beside it; `native` is what concerns the whole scan.

    Attributes:
        box_dhw: The part of the scan on the grid, (start, stop) along d, h, w; None is all of it.
        organ_voxels: Grid voxels of each class, in their order; 0 for one that is not in view.
        annotated: Organs that the annotator looked for; the others may lie in the background.
        sketch: Mean intensities of 4 x 8 x 8 parts of the image, in its own standard deviations
            about its own mean: by these a scan is known again that was changed a little.
        checks_version: Version of the checks that scan and labels passed; None if they were off.
        sha256: Checksum of each array file.
        notes: What was odd about the files, and what was made of it.
    """

    shape: Shape
    spacing_mm: Spacing
    native_shape: Shape
    native_spacing_mm: Spacing
    box_dhw: CropBox | None = None
    organ_voxels: dict[str, int]
    annotated: tuple[str, ...]
    sketch: tuple[float, ...]
    sha256: dict[str, str]
    checks_version: int | None = None
    notes: tuple[str, ...] = ()

    def for_record(self) -> dict[str, Any]:
        """Return what the record of a prepared set repeats of a case."""
        return self.model_dump(exclude={"sketch", "sha256", "checks_version"})


def write_entry(
    volumes: Path, key: str, volume: PreparedVolume, checks_version: int | None = None
) -> EntryFacts:
    """Put a labelled volume into the cache, unless a sound entry of that key is there.

    Safe against a kill at any moment and against other processes writing the same key.
    """
    temporary = temporary_beside(volumes / key)
    try:
        temporary.mkdir()
        facts = _write_files(temporary, volume, checks_version)
        move_into_place(temporary, volumes / key)
        sync(volumes)
    except OSError as error:
        raise _unwritable(volumes, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return facts


def mark_checked(
    folder: Path, facts: EntryFacts, checks_version: int, notes: tuple[str, ...] = ()
) -> EntryFacts:
    """Note in an entry that its scan and labels passed the checks; the arrays stay."""
    marked = facts.model_copy(update={"checks_version": checks_version, "notes": notes})
    temporary = temporary_beside(folder)
    try:
        write_synced(temporary, marked.model_dump_json(indent=1).encode())
        temporary.replace(folder / _META)
        sync(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return marked


def read_sound_entry(folder: Path) -> EntryFacts | None:
    """Read an entry's facts if its arrays are whole: every byte is compared by checksum."""
    return None if damaged_file(folder) else read_facts(folder)


def damaged_file(folder: Path) -> str | None:
    """Name the first file of an entry that is absent or not what was written."""
    facts = read_facts(folder)
    if facts is None:
        return _META
    names = (*ARRAYS, NATIVE_LABEL)
    return next((name for name in names if not _is_sound(folder / name, facts)), None)


def read_native_label(folder: Path, shape: Shape) -> UInt8[np.ndarray, "d h w"]:
    """Read the label map on the scan's own grid.

    Raises:
        ValueError: The file is not what was written; OSError, EOFError and zlib.error likewise.
    """
    packed_file = open_regular(folder / NATIVE_LABEL, MOST_ARRAY_BYTES)
    with packed_file, gzip.open(packed_file) as stream:
        np.lib.format.read_magic(stream)
        with HEADERS:
            header = np.lib.format.read_array_header_1_0(stream)
        # Before there is memory for it: a header may claim anything.
        if header != (shape, False, np.dtype(np.uint8)):
            raise ValueError(f"{header[2]} of shape {header[0]}")
        array = np.empty(shape, np.uint8)
        if stream.readinto(array.data.cast("B")) < array.size or stream.read(1):
            raise ValueError("more or fewer voxels than its header says")
    return array


def read_facts(folder: Path) -> EntryFacts | None:
    """Read what an entry says of its arrays; None where it says nothing that can be read."""
    try:
        return EntryFacts.model_validate_json(read_json_bytes(folder / _META))
    except (OSError, ValueError):
        return None


def _is_sound(file: Path, facts: EntryFacts) -> bool:
    try:
        return sha256_of(file, MOST_ARRAY_BYTES) == facts.sha256.get(file.name)
    except OSError:
        return False


def _write_files(folder: Path, volume: PreparedVolume, checks_version: int | None) -> EntryFacts:
    if volume.label is None or volume.native_label is None:
        raise ValueError("only labelled volumes enter a prepared set")
    for name, array in zip(ARRAYS, (volume.image, volume.label), strict=True):
        write_synced(folder / name, _npy_bytes(array))
    # Without a time in its header: equal labels are equal files.
    native = gzip.compress(_npy_bytes(volume.native_label), _DEFLATE_LEVEL, mtime=0)
    write_synced(folder / NATIVE_LABEL, native)
    placement = volume.placement
    organs = volume.organs
    counts = np.bincount(volume.label.ravel(), minlength=len(organs) + 1)
    facts = EntryFacts(
        shape=volume.image.shape,
        spacing_mm=volume.spacing_mm,
        native_shape=placement.native_shape,
        native_spacing_mm=placement.native_spacing_mm,
        box_dhw=ranges_of(placement.box) if placement.is_cropped else None,
        organ_voxels=dict(zip(organs, counts[1:].tolist(), strict=True)),
        annotated=tuple(organs[organ - 1] for organ in volume.annotated),
        sketch=_sketch(volume.image),
        sha256={name: sha256_of(folder / name) for name in (*ARRAYS, NATIVE_LABEL)},
        checks_version=checks_version,
        notes=volume.notes,
    )
    write_synced(folder / _META, facts.model_dump_json(indent=1).encode())
    sync(folder)
    return facts


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"A prepared volume cannot be written ({error.strerror}).",
        where=str(folder),
        fix="make room on the disk, or choose another output folder",
    )


def _sketch(image: Float16[np.ndarray, "d h w"]) -> tuple[float, ...]:
    values = image.astype(np.float32)
    d, h, w = (length // parts for length, parts in zip(image.shape, SKETCH_PARTS, strict=True))
    parts = values.reshape(SKETCH_PARTS[0], d, SKETCH_PARTS[1], h, SKETCH_PARTS[2], w)
    scaled = (parts.mean((1, 3, 5)) - values.mean()) / max(float(values.std()), 1e-6)
    return tuple(round(float(value), 4) for value in scaled.ravel())


def _npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def move_into_place(temporary: Path, target: Path) -> None:
    """Rename an entry into its place; where a sound one is, the new one stays where it was."""
    try:
        temporary.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if read_sound_entry(target) is None:
            damaged = temporary_beside(target)
            target.rename(damaged)
            temporary.rename(target)
            shutil.rmtree(damaged, ignore_errors=True)
