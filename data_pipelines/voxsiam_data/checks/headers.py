"""Does a header say who the patient is? Names of fields are told, never what they hold."""

import re
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path

import nibabel
import SimpleITK as sitk  # noqa: N813
from isal import igzip

from voxsiam.volumes.dicom_file import check_file, damaged, readable
from voxsiam.volumes.itk_file import free_text, is_itk
from voxsiam.volumes.nifti import Header
from voxsiam_data.checks.finding import Finding

TEXT_FIELDS = ("descrip", "aux_file", "db_name", "intent_name", "data_type")
"""Free text of a NIfTI header; converters have written patients' names into them."""

EXTENSION_KINDS = {2: "DICOM", 4: "AFNI", 6: "comment", 8: "XCEDE", 10: "JIM", 12: "workflow"}

DICOM_TAGS = {
    "0010|0010": "PatientName",
    "0010|0020": "PatientID",
    "0010|0030": "PatientBirthDate",
    "0010|0032": "PatientBirthTime",
    "0010|1000": "OtherPatientIDs",
    "0010|1001": "OtherPatientNames",
    "0010|1005": "PatientBirthName",
    "0010|1040": "PatientAddress",
    "0010|2154": "PatientTelephoneNumbers",
    "0010|21b0": "AdditionalPatientHistory",
    "0010|4000": "PatientComments",
    "0008|0020": "StudyDate",
    "0008|0050": "AccessionNumber",
    "0008|0080": "InstitutionName",
    "0008|0081": "InstitutionAddress",
    "0008|0090": "ReferringPhysicianName",
    "0008|1010": "StationName",
    "0008|1048": "PhysiciansOfRecord",
    "0008|1050": "PerformingPhysicianName",
    "0008|1070": "OperatorsName",
    "0020|0010": "StudyID",
}
"""Elements that the basic confidentiality profile (DICOM PS3.15, annex E) removes or replaces."""

_IDENTITY_REMOVED = "0012|0062"
_SOFTWARE = re.compile(
    r"(fsl|spm|simpleitk|itk|nibabel|dcm2niix|afni|ants|freesurfer|totalsegmentator|slicer|matlab"
    r"|nifti|mricro|c3d|convert3d|monai|torchio|elastix|plastimatch)[-_/: ]?(v?\d[\w.:+-]*)?"
    r"|\d+(\.\d+)+[\w.:+-]*"  # a version alone
    r"|(\w{1,12}=[\d.]+;?)+",  # settings of the scanner, as dcm2niix writes them
    re.IGNORECASE,
)
"""Text that names software and nothing else."""

_HEADER_BYTES = 540
_MAX_BYTES = 2**26
_LEAST_EXTENSION = 16


def nifti_fields(path: Path) -> list[str]:
    """Name the places of a NIfTI header that hold text of unknown origin."""
    with _open(path) as stream:
        block = stream.read(_HEADER_BYTES)
    is_first = block[344:348] == b"n+1\0"
    kind, size = (nibabel.Nifti1Header, 348) if is_first else (nibabel.Nifti2Header, 540)
    header = kind(block[:size], check=False)
    found: list[str] = []
    for field in (name for name in TEXT_FIELDS if name in header):
        text = bytes(header[field].tobytes()).split(b"\0")[0].decode("latin-1").strip()
        if text and not _SOFTWARE.fullmatch(text):
            found.append(field)
    return [*found, *_extensions(path, header)]


def dicom_fields(paths: Iterable[Path]) -> list[str]:
    """Name the elements of DICOM files that may tell who the patient is.

    None in those that say that the identity was removed.
    """
    found: dict[str, None] = {}
    for path in paths:
        check_file(path)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        with readable(path) as plain:
            reader.SetFileName(str(plain))
            try:
                reader.ReadImageInformation()
            except RuntimeError:
                raise damaged(path) from None
        if _text(reader, _IDENTITY_REMOVED).upper() != "YES":
            found |= dict.fromkeys(name for tag, name in DICOM_TAGS.items() if _text(reader, tag))
    return list(found)


def check_header(image: Path, files: tuple[Path, ...]) -> Iterator[Finding]:
    """Note fields of a file that may name the patient; see `header_fields`."""
    fields = header_fields(image, files)
    if fields:
        what = f"May hold data of the patient: {', '.join(fields)}."
        fix = "empty these fields before the files are shared; prepared sets hold none of them"
        yield Finding("headers", "note", what, fix, str(image))


def header_fields(image: Path, files: tuple[Path, ...]) -> list[str]:
    """Name what may tell who the patient is in a file that could be read.

    Args:
        image: A volume in one file, or the folder of a DICOM series.
        files: Its files; of a series the first, middle and last are looked at.
    """
    if not image.is_dir():
        return free_text(image) if is_itk(image) else nifti_fields(image)
    chosen = sorted({0, len(files) // 2, len(files) - 1})
    return dicom_fields(files[index] for index in chosen)


def _text(reader: sitk.ImageFileReader, tag: str) -> str:
    return reader.GetMetaData(tag).strip() if reader.HasMetaDataKey(tag) else ""


def _open(path: Path) -> igzip.IGzipFile | BufferedReader:
    return igzip.IGzipFile(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _extensions(path: Path, header: Header) -> list[str]:
    """Name the extensions between a header and its voxels, by their kind."""
    start, stop = int(header["sizeof_hdr"]), int(header["vox_offset"])
    with _open(path) as stream:
        block = stream.read(min(stop, _MAX_BYTES))[start:]
    order = "little" if header.endianness == "<" else "big"
    found, at = [], 4
    while any(block[:1]) and at + 8 <= len(block):
        size, code = (int.from_bytes(block[at + i : at + i + 4], order) for i in (0, 4))
        if size < _LEAST_EXTENSION:
            break
        if any(block[at + 8 : at + size]):
            found.append(f"header extension ({EXTENSION_KINDS.get(code, f'code {code}')})")
        at += size
    return list(dict.fromkeys(found))
