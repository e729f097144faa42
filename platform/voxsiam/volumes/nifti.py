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
from voxsiam.errors import refusal
from voxsiam.volumes.claimed_size import DAMAGED, check_array, check_claimed_size, check_lengths
from voxsiam.volumes.nifti_geometry import Form, checked_geometry

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
    """Read a .nii or .nii.gz file with three axes; further ones of length 1 are dropped.

    Args:
        image: The scan that a label map belongs to: one of other lengths of axes, whatever their
            order, is refused before its voxels are read.
        geometry: The form of the header to believe; where it is None the sform, unless the qform
            says something else that matters.

    Raises:
        UserError: The file is missing, damaged, not NIfTI, not a 3D scan, or its geometry is
            unusable.
    """
    if not path.is_file():
        raise refusal(path, "The file does not exist.", "check the path")
    try:
        with _open(path) as stream:
            header = _read_header(path, stream)
            shape = _claimed_shape(path, header)
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
            affine, form, notes = checked_geometry(path, header, shape, geometry)
            array = _read_voxels(stream, header)
            _read_to_end(stream)
    except _BROKEN_STREAM as error:  # pyright: ignore[reportGeneralTypeIssues] (the stub of isal)
        what = f"The file cannot be read to its end ({_one_line(error)})."
        raise refusal(path, what, DAMAGED) from error
    return Scan(path, array.reshape(shape), affine, header, form, notes)


def write_nifti(
    path: Path,
    array: Shaped[np.ndarray, "i j k"],
    affine: Float64[np.ndarray, "4 4"],
    header: Header | None = None,
) -> None:
    """Write voxels in the axes of the scan they belong to; the file appears whole.

    Args:
        path: A .nii or .nii.gz file; one that is there is replaced.
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
    if source is None:
        header = Header()
        header.set_qform(affine, code=1)
        header.set_sform(affine, code=1)
        header.set_xyzt_units("mm")
    else:
        header = type(source)()
        for field in _GEOMETRY:
            header[field] = source[field]
    header.set_slope_inter(1, 0)
    header["vox_offset"] = header.single_vox_offset
    return header


def write_voxels(path: Path, header: Header, parts: Iterable[Shaped[np.ndarray, "i j k"]]) -> None:
    """Write a header and, one after the other, the volumes along its last axis."""
    dtype = header.get_data_dtype()
    with _replaced(path) as stream:
        stream.write(header.binaryblock)
        stream.write(bytes(int(header["vox_offset"]) - header.sizeof_hdr))
        for part in parts:
            stream.write(part.astype(dtype, copy=False).tobytes("F"))


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes] | igzip.IGzipFile]:
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as raw:
            if path.suffix == ".gz":
                # No time stamp: equal voxels give equal bytes.
                with igzip.IGzipFile("", "wb", _COMPRESSION, raw, mtime=0) as packed:
                    yield packed
            else:
                yield raw
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _open(path: Path) -> igzip.IGzipFile | BufferedReader:
    with path.open("rb") as start:
        compressed = start.read(2) == b"\x1f\x8b"
    if compressed != (path.suffix.lower() == ".gz"):
        actual = "gzip-compressed" if compressed else "not gzip-compressed"
        what = f"The file is {actual}, its name says otherwise."
        raise refusal(path, what, "rename it (.nii or .nii.gz)")
    return igzip.IGzipFile(path) if compressed else path.open("rb")


def _read_header(path: Path, stream: BufferedIOBase) -> Header:
    block = stream.read(_HEADER_BYTES)
    if block[344:348] == b"n+1\0":
        kind, size = nibabel.Nifti1Header, 348
    elif block[4:8] == b"n+2\0":
        kind, size = nibabel.Nifti2Header, 540
    else:
        raise refusal(path, "This is not a NIfTI file.", "give a single-file NIfTI (.nii, .nii.gz)")
    try:
        header = kind(block[:size], check=False)
        for read in (header.get_data_dtype, header.get_data_shape, header.get_slope_inter):
            read()
        offset = header.get_data_offset()
    except _BROKEN_HEADER as error:
        what = f"Its header is broken ({_one_line(error)})."
        raise refusal(path, what, "export the file again") from error
    if not size <= offset <= _MAX_EXTRA_BYTES:
        raise refusal(path, f"Its header puts the voxels at byte {offset}.", "export it again")
    return header


def _claimed_shape(path: Path, header: Header) -> tuple[int, ...]:
    shape = tuple(int(n) for n in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    check_array(path, shape, of_numbers=header.get_data_dtype().kind in "iuf")
    return shape


def _read_voxels(stream: BufferedIOBase, header: Header) -> np.ndarray:
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    raw = array_from_file(shape, dtype, stream, offset=header.get_data_offset(), mmap=False)
    slope, inter = header.get_slope_inter()
    if slope is None or (slope, inter) == (1.0, 0.0):
        return raw
    return apply_read_scaling(raw, np.float32(slope), np.float32(inter or 0.0))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())  # some of nibabel's errors take two


def _read_to_end(stream: BufferedIOBase) -> None:
    # gzip compares its checksum only at the end of the stream.
    for _ in range(_MAX_EXTRA_BYTES >> 20):
        if not stream.read(2**20):
            return
    raise OSError("more bytes follow the voxels than a scan should have")
