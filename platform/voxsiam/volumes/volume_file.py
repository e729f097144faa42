"""Files that hold one volume each: their names, and the reader that fits."""

from pathlib import Path

from voxsiam.errors import UserError
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


def read_volume(path: Path, image: Scan | None = None, geometry: Form | None = None) -> Scan:
    """Read a scan or a label map from one file.

    Args:
        path: NIfTI, NRRD or MetaImage.
        image: The scan that a label map belongs to, see `read_nifti`.
        geometry: The form of a NIfTI header to believe.

    Raises:
        UserError: It cannot be read; see the readers.
    """
    _refuse_pointers(path)
    if path.name.lower().endswith(ANALYZE):
        raise UserError(
            "Analyze files (.hdr, .img) do not know left from right, and are not read.",
            where=str(path),
            fix="export the scan again as NIfTI or DICOM",
        )
    return read_itk(path, image) if is_itk(path) else read_nifti(path, image, geometry)


def _refuse_pointers(path: Path) -> None:
    """Refuse what a version control keeps in the place of a large file that was not fetched."""
    if path.is_file() and path.stat().st_size < 1024:
        block = path.read_bytes()
        if any(pointer in block for pointer in _POINTERS):
            raise UserError(
                "This is a pointer to a file that was not fetched (Git LFS or git-annex).",
                where=str(path),
                fix="fetch the file itself: git lfs pull, or git annex get",
            )
    if path.is_symlink() and not path.exists() and ".git/annex" in str(path.readlink()):
        raise UserError(
            "This is a link to a file that git-annex has not fetched.",
            where=str(path),
            fix="git annex get, in the folder of the data set",
        )
