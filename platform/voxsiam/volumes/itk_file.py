"""Read one NRRD or MetaImage file (.nrrd, .nhdr, .mha, .mhd).

The text at its beginning is looked at before a library reads it: what it claims must fit the file,
and the voxels must lie in the file itself or beside it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from jaxtyping import Float64

from voxsiam.errors import refusal
from voxsiam.volumes.claimed_size import DAMAGED, check_array, check_claimed_size, check_lengths
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import EXPORT_GEOMETRY, affine_notes

NRRD, META_IMAGE = (".nrrd", ".nhdr"), (".mha", ".mhd")
ENDINGS = (*NRRD, *META_IMAGE)

_MAX_HEADER_BYTES = 2**20
_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "int32", "uint32", "float"), 4),
    **dict.fromkeys(("longlong", "ulonglong", "int64", "uint64", "double"), 8),
    **dict.fromkeys(("long", "ulong"), 4),  # or 8; this only says how long a file must be
}
_ITK_PAIRS = {"ITK_InputFilterName", "NRRD_content", "ITK_original_direction"}
_RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class _Claims:
    """What a header says of its voxels.

    Attributes:
        voxel_bytes: Of one voxel; 0 for a type that is no single number.
        is_packed: Whether they are compressed.
        data: Name of the file that holds them; empty where it is this one.
        says_where: Whether it tells how the patient lies.
    """

    shape: tuple[int, ...]
    voxel_bytes: int
    is_packed: bool
    data: str
    says_where: bool


def is_itk(path: Path) -> bool:
    """Tell by its name whether a file is one of these."""
    return path.name.lower().endswith(ENDINGS)


def itk_files(path: Path) -> tuple[Path, ...]:
    """List the header and, where it is another one, the file of the voxels."""
    if not path.is_file():
        return (path,)
    return tuple(dict.fromkeys((path, _data_file(path, _claims(path).data))))


def free_text(path: Path) -> list[str]:
    """Name the fields of a header that hold what its writer liked: DICOM tags, comments."""
    block = _beginning(path)
    if not _is_nrrd(path):
        return [name for name in _meta_fields(block) if name in {"comment", "name", "id"}]
    pairs = re.findall(r"^([^:#\n]{1,40}):=", _nrrd_text(block), re.MULTILINE)
    return [name for name in pairs if name not in _ITK_PAIRS]


def read_itk(path: Path, image: Scan | None = None) -> Scan:
    """Read a file with three axes.

    Args:
        image: The scan that a label map belongs to, see `read_nifti`.

    Raises:
        UserError: The file is missing, damaged, not a 3D scan, does not say how the patient lies,
            or names voxels outside of its folder.
    """
    if not path.is_file():
        raise refusal(path, "The file does not exist.", "check the path")
    claims = _claims(path)
    check_array(path, claims.shape, of_numbers=claims.voxel_bytes > 0)
    if not claims.says_where:
        what = "It does not say how the patient lies (no directions of its axes)."
        raise refusal(path, what, EXPORT_GEOMETRY)
    check_claimed_size(
        path,
        math.prod(claims.shape) * claims.voxel_bytes,
        _data_file(path, claims.data).stat().st_size,
        is_packed=claims.is_packed,
        may_be_empty=image is not None,
    )
    if image is not None:
        check_lengths(path, claims.shape, image.array.shape)
    reader = "NrrdImageIO" if _is_nrrd(path) else "MetaImageIO"
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        found = sitk.ReadImage(str(path), imageIO=reader)
        array = sitk.GetArrayFromImage(found)
    except (RuntimeError, ValueError, MemoryError):
        raise refusal(path, "The file cannot be read to its end.", DAMAGED) from None
    if array.ndim != 3 or array.shape[::-1] != claims.shape:
        raise refusal(path, "Its voxels are not what its header says.", "export it again")
    affine = _affine(found)
    return Scan(path, array.transpose(2, 1, 0), affine, notes=affine_notes(path, affine))


def _affine(image: sitk.Image) -> Float64[np.ndarray, "4 4"]:
    affine = np.eye(4)
    directions = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3] = directions * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return _RAS_OF_LPS @ affine


def _is_nrrd(path: Path) -> bool:
    return path.suffix.lower() in NRRD


def _beginning(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MAX_HEADER_BYTES)


def _claims(path: Path) -> _Claims:
    block = _beginning(path)
    try:
        return _nrrd_claims(block) if _is_nrrd(path) else _meta_claims(block)
    except (ValueError, KeyError) as error:
        kind = "NRRD" if _is_nrrd(path) else "MetaImage"
        what = f"This is no {kind} file, or its header is broken ({error!s:.60})."
        raise refusal(path, what, "export it again") from None


def _nrrd_text(block: bytes) -> str:
    return re.split(rb"\r?\n\r?\n", block, maxsplit=1)[0].decode("utf-8", "replace")


def _nrrd_claims(block: bytes) -> _Claims:
    if not block.startswith(b"NRRD000"):
        raise ValueError("no NRRD at its beginning")
    fields: dict[str, str] = {}
    for line in _nrrd_text(block).splitlines()[1:]:
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#") and not value.startswith("="):
            fields[name.strip().lower().replace(" ", "")] = value.strip()
    kind = fields["type"].lower().removesuffix("_t")
    encoding = fields["encoding"].lower()
    if encoding not in {"raw", "gzip", "gz"}:
        raise ValueError(f"encoding {encoding:.20}")
    return _Claims(
        shape=tuple(map(int, fields["sizes"].split())),
        voxel_bytes=_BYTES.get(_plain_type(kind), 0),
        is_packed=encoding != "raw",
        data=fields.get("datafile", ""),
        says_where={"space", "spacedirections"} <= fields.keys(),
    )


def _plain_type(kind: str) -> str:
    """Turn 'unsigned short int' into 'ushort', and the like."""
    words = [word for word in kind.split() if word != "signed"]
    if len(words) > 1 and words[-1] == "int":
        words.pop()
    return "".join("u" if word == "unsigned" else word for word in words) or "int"


def _meta_claims(block: bytes) -> _Claims:
    fields = _meta_fields(block)
    data = fields["elementdatafile"]
    channels = int(fields.get("elementnumberofchannels", "1"))
    kind = fields["elementtype"].lower().removeprefix("met_")
    oriented = {"transformmatrix", "rotation", "orientation"} & fields.keys()
    return _Claims(
        shape=tuple(map(int, fields["dimsize"].split())),
        voxel_bytes=_BYTES.get(kind.replace("_", ""), 0) if channels == 1 else 0,
        is_packed=fields.get("compresseddata", "false").lower() == "true",
        data="" if data.lower() == "local" else data,
        says_where=bool(oriented),
    )


def _meta_fields(block: bytes) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for line in block.split(b"\n"):
        name, equals, value = line.decode("latin-1").partition("=")
        if not equals:
            raise ValueError("a line without '='")
        fields[name.strip().lower()] = value.strip()
        if "elementdatafile" in fields:
            return fields
    raise ValueError("no ElementDataFile")


def _data_file(path: Path, name: str) -> Path:
    """Find the file of the voxels; a header could name any file of the machine."""
    if not name:
        return path
    data = path.parent / name
    if (
        Path(name).name != name
        or name.startswith(".")
        or data.resolve().parent != path.parent.resolve()
    ):
        fix = "put the file of the voxels into its folder, or export both as one file"
        raise refusal(path, "It names voxels that do not lie beside it.", fix)
    if not data.is_file():
        raise refusal(path, f"The file of its voxels, {name:.60}, is not there.", "copy it too")
    return data
