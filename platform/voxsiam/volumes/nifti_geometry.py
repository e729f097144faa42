"""Where a NIfTI header says that its voxels lie in the patient, checked before it is believed."""

from itertools import product
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Float64
from nibabel.spatialimages import HeaderDataError

from voxsiam.errors import UserError

MIN_SPACING_MM = 0.01
MAX_SPACING_MM = 100.0
MAX_COSINE_BETWEEN_AXES = 0.05
"""Drift of a rotation written in float32 stays far below; a CT with gantry tilt is far above."""

ROUNDING = 5e-7
"""Cosine between axes that float32 cannot avoid."""

MAX_UNNOTED_DRIFT_VOXELS = 0.5
"""Between the corners as qform and sform place them."""

_SAME_AXIS = np.cos(np.pi / 4)
_BROKEN = (HeaderDataError, ValueError, OverflowError, np.linalg.LinAlgError)


def checked_affine(
    path: Path,
    header: nibabel.Nifti1Header,  # Nifti2Header is a subclass
    shape: tuple[int, ...],
) -> tuple[Float64[np.ndarray, "4 4"], tuple[str, ...]]:
    """Return voxel index -> mm in RAS, and what is odd about it. The sform counts before the qform.

    Raises:
        UserError: Spacing, affine or angles are impossible, the header does not say how the
            patient lies, or says it in two ways that swap or mirror axes.
    """
    with np.errstate(invalid="ignore"):  # a NaN of the signalling kind warns when it is cast
        pixdim = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    _check_spacing(path, pixdim)
    has_qform, has_sform = (int(header[f"{form}_code"]) > 0 for form in ("qform", "sform"))
    if not (has_qform or has_sform):
        raise _refuse(
            path,
            "It does not say how the patient lies (sform and qform codes are 0).",
            "export it again with its geometry, so that left and right are known",
        )
    try:
        with np.errstate(all="ignore"):
            affine = np.asarray(header.get_best_affine(), dtype=np.float64)
            spacing = np.linalg.norm(affine[:3, :3], axis=0)
            qform = np.asarray(header.get_qform(), dtype=np.float64) if has_qform else affine
    except _BROKEN as error:
        raise _refuse(
            path, f"Its geometry is broken ({one_line(error)}).", "export it again"
        ) from error
    if not np.isfinite(affine).all() or not np.isfinite(qform).all():
        raise _refuse(path, "Its affine holds values that are not numbers.", "export it again")
    _check_spacing(path, spacing)
    notes = [_angles(path, affine[:3, :3] / spacing)]
    if has_qform and has_sform:
        notes.append(_agreement(path, affine, qform, shape))
    return affine, tuple(note for note in notes if note)


def one_line(error: BaseException) -> str:
    """Tell what a library says in one line; some of nibabel's errors take two."""
    return " ".join(str(error).split())


def _refuse(path: Path, what: str, fix: str) -> UserError:
    return UserError(what, where=str(path), fix=fix)


def _check_spacing(path: Path, spacing_mm: Float64[np.ndarray, "3"]) -> None:
    if not ((spacing_mm >= MIN_SPACING_MM) & (spacing_mm <= MAX_SPACING_MM)).all():
        listed = " x ".join(f"{s:g}" for s in spacing_mm)
        raise _refuse(
            path,
            f"Its voxels measure {listed} mm.",
            f"mend the header: each must lie in {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm",
        )


def _angles(path: Path, directions: Float64[np.ndarray, "3 3"]) -> str:
    cosine = float(np.abs(directions.T @ directions)[np.triu_indices(3, k=1)].max())
    if cosine > MAX_COSINE_BETWEEN_AXES:
        raise _refuse(
            path,
            "Its axes do not stand at right angles (singular or sheared affine).",
            "resample it to a grid without tilt, or mend the affine",
        )
    degrees = np.degrees(np.arcsin(cosine))
    noted = cosine > ROUNDING
    return f"axes {degrees:.1g} degrees off right angles are taken as right angles" if noted else ""


def _agreement(
    path: Path,
    sform: Float64[np.ndarray, "4 4"],
    qform: Float64[np.ndarray, "4 4"],
    shape: tuple[int, ...],
) -> str:
    directions = [form[:3, :3] / np.linalg.norm(form[:3, :3], axis=0) for form in (sform, qform)]
    if np.diag(directions[0].T @ directions[1]).min() < _SAME_AXIS:
        raise _refuse(
            path,
            "Its sform and qform disagree on where left, front or top is "
            f"({_axis_names(sform)} against {_axis_names(qform)}).",
            "find out which one is right, and write both alike",
        )
    corners = np.array([[*corner, 1.0] for corner in product(*((0, n - 1) for n in shape))])
    apart_mm = float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
    if apart_mm <= MAX_UNNOTED_DRIFT_VOXELS * np.linalg.norm(sform[:3, :3], axis=0).min():
        return ""
    return f"sform and qform lie up to {apart_mm:.3g} mm apart: the sform counts"


def _axis_names(affine: Float64[np.ndarray, "4 4"]) -> str:
    return "".join(map(str, nibabel.aff2axcodes(affine)))  # pyright: ignore[reportPrivateImportUsage]
