"""Read one CT series, a folder of DICOM files, as a scan.

Nothing but voxels and geometry leaves this module: no name, number, date or identifier.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from jaxtyping import Float64, Shaped

from voxsiam.errors import UserError, refusal
from voxsiam.volumes.claimed_size import MAX_VOXELS
from voxsiam.volumes.dicom_file import check_file, damaged, is_dicom, readable, storage_class
from voxsiam.volumes.dicom_folder import listed, look_into_all
from voxsiam.volumes.dicom_geometry import SlicePlane, series_affine, sorted_planes
from voxsiam.volumes.nifti import Scan

MIN_SLICES = 3
MAX_PIXELS_ACROSS = 4096

FAT_HU, LEAST_FAT_SHARE = -30, 0.001
"""A trunk has fat and air; MRI, maps of iodine and pictures have values from 0 on."""

MAPS = frozenset(("CBF", "CBV", "DENSITY", "EFFECTIVEZ", "FRACTION", "IODINE"))
MAPS |= {"MTT", "PERFUSION", "PERMEABILITY", "TMAX", "TTP", "ZEFF"}
"""Words of an image type that name what was computed from a CT."""

_LIBRARY = "GDCMImageIO"
_JUDGED_UNITS = {"", "US"}
_CT_CLASSES = {"1.2.840.10008.5.1.4.1.1.2", ""}
_MULTI_FRAME_CLASSES = {"1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"}
_SERIES, _NUMBER, _IMAGE_TYPE, _MODALITY = "0020|000e", "0020|0011", "0008|0008", "0008|0060"
_POSITION, _ORIENTATION, _SPACING = "0020|0032", "0020|0037", "0028|0030"
_INTERCEPT, _SLOPE, _UNITS = "0028|1052", "0028|1053", "0028|1054"
_INSTANCE, _ANNOUNCED = "0020|0013", "0020|1002"
_TAGS = (
    *(_SERIES, _NUMBER, _IMAGE_TYPE, _MODALITY, _POSITION),
    *(_ORIENTATION, _SPACING, _INTERCEPT, _SLOPE, _UNITS, _INSTANCE, _ANNOUNCED),
)


@dataclass(frozen=True)
class _Header:
    """What is asked of one file: some tags, and its size as columns, rows, frames."""

    path: Path
    tags: Mapping[str, str]
    size: tuple[int, ...]


def holds_dicom(folder: Path) -> bool:
    """Tell whether some file of a folder is DICOM; folders inside it are not looked at."""
    return any(is_dicom(path) for path in folder.iterdir() if path.is_file())


def read_dicom(folder: Path, parts: Sequence[Path] = ()) -> Scan:
    """Read the CT series of a folder, or of the parts of it that the series is spread over.

    Scouts, series of one or two slices and files that are no CT slices are left out; the scan's
    notes say so.

    Raises:
        UserError: There is no CT series or more than one, a file of it is empty or damaged,
            slices are missing, doubled, tilted, unevenly spaced, or not in Hounsfield units.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    found = look_into_all(parts or (folder,))
    found.require_whole()
    others = found.others
    told = f"{len(others)} files left out that are no DICOM: {listed(others)}" * bool(others)
    headers, no_slices = _ct_headers(folder, found.dicom)
    series, too_short = _only_series(folder, headers)
    for header in series:
        _check_units(header)
    planes = sorted_planes(folder, [_plane(header) for header in series])
    rows, columns = planes[0].shape
    if rows * columns * len(planes) > MAX_VOXELS:
        raise refusal(folder, "The series has more than 2^31 voxels.", "give a part of it")
    array = np.stack([_pixels(plane) for plane in planes])
    _check_values(series[0], array)
    notes = (told, no_slices, too_short, *_numbering(series), _constant(planes, array))
    affine = series_affine(planes)
    return Scan(folder, array.transpose(2, 1, 0), affine, notes=tuple(filter(None, notes)))


def _ct_headers(folder: Path, files: Sequence[Path]) -> tuple[list[_Header], str]:
    """Read the headers of the slices; say how many files are none."""
    kinds = {path: storage_class(path) for path in files}
    for path, kind in kinds.items():
        if kind in _MULTI_FRAME_CLASSES:
            raise _multi_frame(path)
    headers = [_read_header(path) for path, kind in kinds.items() if kind in _CT_CLASSES]
    images = [header for header in headers if _is_axial_ct(header.tags)]
    if not images:
        what = f"It holds {len(files)} DICOM files, and none of them is a CT slice."
        raise refusal(folder, what, "give the folder of one CT series")
    left_out = len(files) - len(images)
    return images, f"{left_out} DICOM files left out: scouts, or no CT slices" * bool(left_out)


def _is_axial_ct(tags: Mapping[str, str]) -> bool:
    return tags.get(_MODALITY) == "CT" and "LOCALIZER" not in tags.get(_IMAGE_TYPE, "")


def _multi_frame(path: Path) -> UserError:
    what = "It holds all slices in one file (enhanced CT), which is not read."
    return refusal(path, what, "convert the series to NIfTI first, for example with dcm2niix")


def _read_header(path: Path) -> _Header:
    check_file(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_LIBRARY)
    try:
        with readable(path) as plain:
            reader.SetFileName(str(plain))
            reader.ReadImageInformation()
        tags = {tag: reader.GetMetaData(tag).strip() for tag in _TAGS if reader.HasMetaDataKey(tag)}
        size = reader.GetSize()
    except (RuntimeError, UnicodeDecodeError):
        raise damaged(path) from None
    if len(size) > 2 and size[2] > 1:
        raise _multi_frame(path)
    if max(size) > MAX_PIXELS_ACROSS:
        raise damaged(path)
    return _Header(path, tags, tuple(size))


def _only_series(folder: Path, headers: Sequence[_Header]) -> tuple[list[_Header], str]:
    """Choose the one series that is long enough; say how many are not."""
    grouped: dict[str, list[_Header]] = {}
    for header in headers:
        grouped.setdefault(header.tags.get(_SERIES, ""), []).append(header)
    whole = [series for series in grouped.values() if len(series) >= MIN_SLICES]
    if not whole:
        what = f"Its longest CT series has {max(map(len, grouped.values()))} slices."
        raise refusal(folder, what, f"give a series of at least {MIN_SLICES} slices")
    if len(whole) > 1:
        what = f"It holds {len(whole)} CT series: {'; '.join(map(_shown, whole))}."
        raise refusal(folder, what, "put the files of one of them into a folder of its own")
    left_out = len(grouped) - 1
    note = f"{left_out} CT series of less than {MIN_SLICES} slices left out"
    return whole[0], note * bool(left_out)


def _shown(series: Sequence[_Header]) -> str:
    columns, rows = series[0].size[:2]
    number, name = series[0].tags.get(_NUMBER, "without number"), series[0].path.name
    return f"series {number:.12} of {len(series)} slices {rows}x{columns}, as in {name}"


def _check_units(header: _Header) -> None:
    if _SLOPE not in header.tags or _INTERCEPT not in header.tags:
        raise refusal(
            header.path,
            "It does not say how its values become Hounsfield units (no rescale slope, intercept).",
            "export the series again from the scanner or archive",
        )
    kind = header.tags.get(_IMAGE_TYPE, "").upper()
    is_map = any(word in MAPS for word in re.split(r"[\\\\_ ]", kind))
    units = header.tags.get(_UNITS, "").upper()
    if is_map or units not in {*_JUDGED_UNITS, "HU"}:
        why = f"its image type is {kind:.60}" if is_map else f"its units are {units:.16}"
        what = f"Its values are no Hounsfield units: {why}."
        fix = "give the series of the CT itself, not one that was computed from it"
        raise refusal(header.path, what, fix)


def _check_values(header: _Header, array: Shaped[np.ndarray, "d h w"]) -> None:
    """Judge by the values where the file leaves open what they are: a body has fat and air."""
    if header.tags.get(_UNITS, "").upper() not in _JUDGED_UNITS:
        return
    if np.count_nonzero(array < FAT_HU) < LEAST_FAT_SHARE * array.size:
        values = f"Less than {LEAST_FAT_SHARE:.1%} of its values lie below {FAT_HU} HU"
        what = f"{values}, and it does not say in which units they are."
        raise refusal(header.path, what, "give a CT in Hounsfield units")


def _constant(planes: Sequence[SlicePlane], array: Shaped[np.ndarray, "d h w"]) -> str:
    flat = array.reshape(len(array), -1)
    same = [plane.path for plane, one in zip(planes, flat, strict=True) if (one == one[0]).all()]
    return f"{len(same)} slices hold one value everywhere: {listed(same)}" * bool(same)


def _numbering(series: Sequence[_Header]) -> list[str]:
    """Say what the numbers of slices let doubt; positions decide whether any is missing."""
    notes: list[str] = []
    numbers = [int(text) for h in series if (text := h.tags.get(_INSTANCE, "")).isdecimal()]
    announced = {text for h in series if (text := h.tags.get(_ANNOUNCED, "")).isdecimal()}
    if not numbers:
        return notes
    missing = max(numbers) - min(numbers) + 1 - len(set(numbers))
    if missing > 0:
        notes.append(f"the slices' numbers skip {missing}: are slices missing at an end?")
    if min(numbers) > 1:
        notes.append(f"the slices' numbers begin at {min(numbers)}, not at 1")
    images = int(announced.pop()) if len(announced) == 1 else 0
    if images > len(numbers):
        notes.append(f"the acquisition is said to have {images} images, {len(numbers)} are here")
    return notes


def _plane(header: _Header) -> SlicePlane:
    columns, rows = header.size[:2]
    return SlicePlane(
        header.path,
        (rows, columns),
        position_mm=_numbers(header, _POSITION, 3),
        directions=_numbers(header, _ORIENTATION, 6).reshape(2, 3),
        spacing_mm=_numbers(header, _SPACING, 2),
    )


def _numbers(header: _Header, tag: str, count: int) -> Float64[np.ndarray, " n"]:
    try:
        values = np.array([float(part) for part in header.tags[tag].split("\\")])
    except (KeyError, ValueError):
        values = np.empty(0)
    if len(values) != count or not np.isfinite(values).all():
        raise refusal(
            header.path,
            "It does not say where in the patient it lies (position, orientation, pixel spacing).",
            "export the series again from the scanner or archive",
        )
    return values


def _pixels(plane: SlicePlane) -> Shaped[np.ndarray, "rows columns"]:
    try:
        with readable(plane.path) as plain:
            image = sitk.GetArrayFromImage(sitk.ReadImage(str(plain), imageIO=_LIBRARY)).squeeze(0)
    except (RuntimeError, ValueError):
        raise damaged(plane.path) from None
    if image.shape != plane.shape:
        raise damaged(plane.path)
    short = np.iinfo(np.int16)
    fits = image.dtype.kind in "iu" and short.min <= image.min() and image.max() <= short.max
    return image.astype(np.int16) if fits else image
