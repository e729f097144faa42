"""Read and write one NIfTI file; whatever is wrong with it is said in the user's words.

The header is checked as it stands in the file, before nibabel can mend it silently (a spacing of
zero would become 1 mm), and before memory is taken for what it claims.
"""

import math
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO

import nibabel
import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError
from jaxtyping import Float64, Shaped
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from nibabel.volumeutils import apply_read_scaling, array_from_file

from voxsiam.durable_files import sync, temporary_beside
from voxsiam.errors import UserError
from voxsiam.volumes.claimed_size import MAX_VOXELS, check_claimed_size
from voxsiam.volumes.nifti_geometry import Form, checked_geometry, one_line

_HEADER_BYTES = 540
_MAX_EXTRA_BYTES = 64 * 2**20  # header extensions before the voxels, and bytes after them
_BROKEN_HEADER = (HeaderDataError, HeaderTypeError, ValueError, KeyError, OverflowError, TypeError)
_BROKEN_STREAM = (OSError, EOFError, zlib.error, IsalError)
_GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "sform_code", "srow_x", "srow_y", "srow_z"),
)
_COMPRESSION = 2  # of igzip's 0 to 3: label maps a third of gzip's fastest, six times as fast

Header = nibabel.Nifti1Header  # Nifti2Header is a subclass


@dataclass(frozen=True)
class Scan:
    """The voxels of one file in its own axis order.

    Attributes:
        path: Where it came from.
        array: Voxels, rescaled by slope and intercept of the header if it has them.
        affine: Voxel index -> mm in NIfTI's RAS frame.
        header: As the file has it; None for a scan that was not NIfTI.
        form: The place of the header that says where the voxels lie; None likewise.
        notes: What a reader of the result should know about how the scan was read.
    """

    path: Path
    array: Shaped[np.ndarray, "i j k"]
    affine: Float64[np.ndarray, "4 4"]
    header: Header | None = None
    form: Form | None = None
    notes: tuple[str, ...] = ()


def read_nifti(path: Path, image: Scan | None = None, geometry: Form | None = None) -> Scan:
    """Read a .nii or .nii.gz file with three axes.

    A fourth axis of length 1 is dropped.

    Args:
        image: The scan that a label map belongs to: one of other lengths of axes, whatever their
            order, is refused before its voxels are read.
        geometry: The form of the header to believe; where it is None the sform, unless the qform
            says something else that matters.

    Raises:
        UserError: The file is missing, damaged, not NIfTI, not a 3D scan, or its geometry is
            unusable. It names the file.
    """
    if not path.is_file():
        raise UserError("The file does not exist.", where=str(path), fix="check the path")
    try:
        with _open(path) as stream:
            header = _read_header(path, stream)
            shape = _checked_shape(path, header)
            if image is not None:
                check_lengths(path, shape, image.array.shape)
            check_claimed_size(
                path,
                math.prod(shape) * header.get_data_dtype().itemsize,
                path.stat().st_size,
                is_packed=path.suffix.lower() == ".gz",
                may_be_empty=image is not None,
                header_bytes=header.get_data_offset(),
            )
            placed = checked_geometry(path, header, shape, geometry)
            array = _read_voxels(stream, header)
            _read_to_end(stream)
    except _BROKEN_STREAM as error:  # pyright: ignore[reportGeneralTypeIssues] (the stub of isal)
        raise UserError(
            f"The file cannot be read to its end ({one_line(error)}).",
            where=str(path),
            fix="it is damaged or was copied in part: copy or export it again",
        ) from error
    voxels = array.reshape(shape)
    return Scan(path, voxels, placed.affine, header, placed.form, placed.notes)


def write_nifti(
    path: Path,
    array: Shaped[np.ndarray, "i j k"],
    affine: Float64[np.ndarray, "4 4"],
    header: Header | None = None,
) -> None:
    """Write voxels with the geometry of the scan they belong to; the file appears whole.

    Args:
        path: A .nii or .nii.gz file; one that is there is replaced.
        array: In the axes of the scan.
        header: Of the scan's file, whose geometry is then repeated number by number.
    """
    written = geometry_header(affine, header)
    written.set_data_shape(array.shape)
    written.set_data_dtype(array.dtype)
    write_voxels(path, written, [array])


def geometry_header(affine: Float64[np.ndarray, "4 4"], source: Header | None) -> Header:
    """Start a header that says where the voxels lie, and nothing else.

    Of the source only the geometry is taken: its free text may name the patient.
    """
    header = Header() if source is None else type(source)()
    if source is None:
        header.set_qform(affine, code=1)
        header.set_sform(affine, code=1)
        header.set_xyzt_units("mm")
    else:
        for field in _GEOMETRY:
            header[field] = source[field]
    header.set_slope_inter(1, 0)
    header["vox_offset"] = header.single_vox_offset
    return header


def write_voxels(path: Path, header: Header, parts: Iterable[Shaped[np.ndarray, "i j k"]]) -> None:
    """Write a header and, one after the other, the volumes along its last axis."""
    dtype = header.get_data_dtype()
    with _replaced(path) as raw, _packed(raw, path) as stream:
        stream.write(header.binaryblock)
        stream.write(bytes(int(header["vox_offset"]) - header.sizeof_hdr))
        for part in parts:
            stream.write(part.astype(dtype, copy=False).tobytes("F"))


def _refuse(path: Path, what: str, fix: str) -> UserError:
    return UserError(what, where=str(path), fix=fix)


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as stream:
            yield stream
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _packed(raw: IO[bytes], path: Path) -> Iterator[IO[bytes] | igzip.IGzipFile]:
    if path.suffix != ".gz":
        yield raw
        return
    # No time stamp: equal voxels give equal bytes.
    with igzip.IGzipFile("", "wb", _COMPRESSION, raw, mtime=0) as stream:
        yield stream


def _open(path: Path) -> igzip.IGzipFile | BufferedReader:
    with path.open("rb") as start:
        compressed = start.read(2) == b"\x1f\x8b"
    if compressed != (path.suffix.lower() == ".gz"):
        actual = "gzip-compressed" if compressed else "not gzip-compressed"
        raise _refuse(
            path, f"The file is {actual}, its name says otherwise.", "rename it (.nii or .nii.gz)"
        )
    return igzip.IGzipFile(path) if compressed else path.open("rb")


def _read_header(path: Path, stream: BufferedIOBase) -> Header:
    block = stream.read(_HEADER_BYTES)
    if block[344:348] == b"n+1\0":
        kind, size = nibabel.Nifti1Header, 348
    elif block[4:8] == b"n+2\0":
        kind, size = nibabel.Nifti2Header, 540
    else:
        raise _refuse(path, "This is not a NIfTI file.", "give a single-file NIfTI (.nii, .nii.gz)")
    try:
        header = kind(block[:size], check=False)
        for read in (header.get_data_dtype, header.get_data_shape, header.get_slope_inter):
            read()
        offset = header.get_data_offset()
    except _BROKEN_HEADER as error:
        raise _refuse(
            path, f"Its header is broken ({one_line(error)}).", "export the file again"
        ) from error
    if not size <= offset <= _MAX_EXTRA_BYTES:
        raise _refuse(path, f"Its header puts the voxels at byte {offset}.", "export it again")
    return header


def _checked_shape(path: Path, header: Header) -> tuple[int, ...]:
    shape = tuple(int(n) for n in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) < 2:
        raise _refuse(
            path,
            f"It holds an array of shape {shape}, not a 3D scan.",
            "give one scan with three axes of at least 2 voxels",
        )
    if math.prod(shape) > MAX_VOXELS:
        raise _refuse(path, f"Its header claims {shape} voxels.", "crop it below 2^31 voxels")
    if header.get_data_dtype().kind not in "iuf":
        raise _refuse(path, "Its voxels are not single numbers.", "export intensities, not colours")
    return shape


def check_lengths(path: Path, shape: tuple[int, ...], image_shape: tuple[int, ...]) -> None:
    """Refuse a label map whose axes have not the lengths of its image's, in whatever order."""
    if sorted(shape) != sorted(image_shape):
        raise _refuse(
            path,
            f"The label map has shape {shape}, its image {image_shape}.",
            "resample the label map to the grid of the image",
        )


def _read_voxels(stream: BufferedIOBase, header: Header) -> np.ndarray:
    raw = array_from_file(
        header.get_data_shape(),
        header.get_data_dtype(),
        stream,
        offset=header.get_data_offset(),
        mmap=False,
    )
    slope, inter = header.get_slope_inter()
    if slope is None or (slope, inter) == (1.0, 0.0):
        return raw
    return apply_read_scaling(raw, np.float32(slope), np.float32(inter or 0.0))


def _read_to_end(stream: BufferedIOBase) -> None:
    # gzip compares its checksum only at the end of the stream.
    for _ in range(_MAX_EXTRA_BYTES >> 20):
        if not stream.read(2**20):
            return
    raise OSError("more bytes follow the voxels than a scan should have")
