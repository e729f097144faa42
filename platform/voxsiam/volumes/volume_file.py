"""The files of one volume, a single one or the folder of a DICOM series: names, and the reader."""

from collections.abc import Sequence
from pathlib import Path

from voxsiam.errors import refusal
from voxsiam.volumes.dicom import read_dicom
from voxsiam.volumes.dicom_folder import look_into
from voxsiam.volumes.itk_file import ENDINGS as ITK_ENDINGS
from voxsiam.volumes.itk_file import is_itk, itk_files, read_itk
from voxsiam.volumes.nifti import Scan, read_nifti
from voxsiam.volumes.nifti_geometry import Form

ENDINGS = (".nii.gz", ".nii", *ITK_ENDINGS)
"""In names of any case."""

ANALYZE = (".hdr", ".img", ".hdr.gz", ".img.gz")
"""Read by nothing here: the format does not know left from right."""

_POINTERS = (b"version https://git-lfs", b"/annex/objects/", b"../.git/annex/")


def is_volume(path: Path) -> bool:
    """Tell by a file's name whether it holds a volume that can be read."""
    return path.name.lower().endswith(ENDINGS)


def stem_of(path: Path) -> str:
    """Return a file's name without the ending of a volume."""
    return path.name[: len(path.name) - len(ending_of(path))]


def ending_of(path: Path) -> str:
    """Return the ending of a volume's name in small letters; empty for other files."""
    lower = path.name.lower()
    return next((ending for ending in ENDINGS if lower.endswith(ending)), "")


def volume_files(path: Path) -> tuple[Path, ...]:
    """List the files that decide the voxels: the file itself, and the one that it may name.

    Raises:
        UserError: Its header is broken, or names voxels that do not lie beside it.
    """
    return itk_files(path) if is_itk(path) else (path,)


def image_files(path: Path) -> tuple[Path, ...]:
    """List the files that decide the voxels of a CT; of a folder the slices in order of name.

    Raises:
        UserError: The folder cannot be read, or holds no slice; or see `volume_files`.
    """
    if not path.is_dir():
        return volume_files(path)
    try:
        slices = look_into(path).dicom
    except OSError as error:
        what = f"The folder cannot be read ({error.strerror})."
        raise refusal(path, what, "check its permissions") from error
    if not slices:
        raise refusal(path, "The folder holds no DICOM slice.", "put the CT series there")
    return slices


def read_image(path: Path, geometry: Form | None = None, parts: Sequence[Path] = ()) -> Scan:
    """Read a CT in HU from its file (see `read_nifti`) or folder (see `read_dicom`)."""
    return read_dicom(path, parts) if path.is_dir() else read_volume(path, geometry=geometry)


def read_volume(path: Path, image: Scan | None = None, geometry: Form | None = None) -> Scan:
    """Read a scan or a label map from one file: NIfTI, NRRD or MetaImage.

    What `image` and `geometry` do, and what is refused, is told by `read_nifti`.
    """
    _refuse_pointers(path)
    if path.name.lower().endswith(ANALYZE):
        what = "Analyze files (.hdr, .img) do not know left from right, and are not read."
        raise refusal(path, what, "export the scan again as NIfTI or DICOM")
    return read_itk(path, image) if is_itk(path) else read_nifti(path, image, geometry)


def _refuse_pointers(path: Path) -> None:
    """Refuse what a version control keeps in the place of a large file that was not fetched."""
    if path.is_file() and path.stat().st_size < 1024:
        block = path.read_bytes()
        if any(pointer in block for pointer in _POINTERS):
            what = "This is a pointer to a file that was not fetched (Git LFS or git-annex)."
            raise refusal(path, what, "fetch the file itself: git lfs pull, or git annex get")
    if path.is_symlink() and not path.exists() and ".git/annex" in str(path.readlink()):
        what = "This is a link to a file that git-annex has not fetched."
        raise refusal(path, what, "git annex get, in the folder of the data set")
