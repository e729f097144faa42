"""The files of one CT: a volume in one file, or the folder of a DICOM series."""

from collections.abc import Sequence
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.dicom import read_dicom
from voxsiam.volumes.dicom_folder import look_into
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.volume_file import read_volume, volume_files


def image_files(path: Path) -> tuple[Path, ...]:
    """List the files that decide the voxels: the file itself, or the slices in order of name.

    Raises:
        UserError: The folder cannot be read, or holds no slice.
    """
    if not path.is_dir():
        return volume_files(path)
    try:
        slices = look_into(path).dicom
    except OSError as error:
        raise UserError(
            f"The folder cannot be read ({error.strerror}).",
            where=str(path),
            fix="check its permissions",
        ) from error
    if not slices:
        raise UserError(
            "The folder holds no DICOM slice.", where=str(path), fix="put the CT series there"
        )
    return slices


def read_image(path: Path, geometry: Form | None = None, parts: Sequence[Path] = ()) -> Scan:
    """Read a CT in HU, whichever of the two it is.

    Args:
        path: Of the file or folder.
        geometry: The form of a NIfTI header to believe, see `read_nifti`.
        parts: Folders that a DICOM series is spread over, see `read_dicom`.
    """
    return read_dicom(path, parts) if path.is_dir() else read_volume(path, geometry=geometry)
