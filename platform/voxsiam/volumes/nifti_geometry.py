"""Where a NIfTI header says that its voxels lie in the patient, checked before it is believed.

A header may say it twice, by its sform and by its qform with pixdim. The sform counts. Where the
two would give other distances, or other sides of the patient, neither is believed until somebody
says which one is right.
"""

from itertools import product
from pathlib import Path
from typing import Literal

import nibabel
import numpy as np
from jaxtyping import Float64
from nibabel.spatialimages import HeaderDataError

from voxsiam.errors import refusal

Form = Literal["sform", "qform"]
"""The two places of a header that say where voxels lie, the one that counts first."""

Affine = Float64[np.ndarray, "4 4"]
SpacingMm = Float64[np.ndarray, "3"]

MIN_SPACING_MM = 0.01
MAX_SPACING_MM = 100.0
MAX_COSINE_BETWEEN_AXES = 0.05
"""Drift of a rotation written in float32 stays far below; a CT with gantry tilt is far above."""

ROUNDING = 5e-7
"""Cosine between axes that float32 cannot avoid."""

MAX_UNNOTED_DRIFT_VOXELS = 0.5
"""Between the corners as qform and sform place them."""

NOTED_SPACING, MAX_SPACING = 1e-3, 1e-2
"""Part by which the spacings of both may differ: a number that was written with three digits, and
what changes a distance."""

EXPORT_GEOMETRY = "export it again with its geometry, so that left and right are known"
_CHOOSE_FORM = "find out which one is right, then add --geometry sform or --geometry qform"
_SAME_AXIS = np.cos(np.pi / 4)
_UNITS = {1: "metres", 3: "micrometres"}
_BROKEN = (HeaderDataError, ValueError, OverflowError, np.linalg.LinAlgError)


def checked_geometry(
    path: Path,
    header: nibabel.Nifti1Header,  # Nifti2Header is a subclass
    shape: tuple[int, ...],
    wanted: Form | None = None,
) -> tuple[Affine, Form, tuple[str, ...]]:
    """Choose sform or qform and check it.

    Args:
        header: As the file has it.
        wanted: Believe this one, whatever the other says.

    Returns:
        The affine (voxel index -> mm in RAS), the form that was believed, what is odd about it.

    Raises:
        UserError: Spacing, affine or angles are impossible, the header does not say how the
            patient lies, or says it in two ways that give other distances, or swap or mirror axes.
    """
    forms, asked = _forms(path, header), wanted is not None
    if wanted is not None and wanted not in forms:
        fix = f"use --geometry {next(iter(forms))}, or leave it out"
        raise refusal(path, f"It has no {wanted} (the code is 0).", fix)
    form: Form = wanted or next(iter(forms))
    affine = forms.pop(form)
    if form == "qform":
        _check_spacing(path, _pixdim(header))
    if affine is None:
        raise refusal(path, "Its qform is no rotation.", "export it again")
    notes = [*affine_notes(path, affine), _units(header)]
    notes += [
        _disagreement(path, affine, other, form, shape, asked=asked) for other in forms.values()
    ]
    if form == "sform" and not forms:
        notes.append(_against_pixdim(path, _spacing(affine), _pixdim(header), asked=asked))
    return affine, form, tuple(note for note in notes if note)


def _forms(path: Path, header: nibabel.Nifti1Header) -> dict[Form, Affine | None]:
    """Read the forms that a header claims to have; None where one makes no sense."""
    found: dict[Form, Affine | None] = {}
    if int(header["sform_code"]) > 0:
        found["sform"] = np.asarray(header.get_sform(), dtype=np.float64)
    if int(header["qform_code"]) > 0:
        found["qform"] = _qform(header)
    if not found:
        what = "It does not say how the patient lies (sform and qform codes are 0)."
        raise refusal(path, what, EXPORT_GEOMETRY)
    return found


def _qform(header: nibabel.Nifti1Header) -> Affine | None:
    header = header.copy()
    if header["pixdim"][0] == 0:
        header["pixdim"][0] = 1  # as the standard takes it
    try:
        with np.errstate(all="ignore"):
            return np.asarray(header.get_qform(), dtype=np.float64)
    except _BROKEN:
        return None


def _pixdim(header: nibabel.Nifti1Header) -> SpacingMm:
    with np.errstate(invalid="ignore"):  # a NaN of the signalling kind warns when it is cast
        return np.asarray(header["pixdim"][1:4], dtype=np.float64)


def _spacing(affine: Affine) -> SpacingMm:
    return np.linalg.norm(affine[:3, :3], axis=0)


def directions(affine: Affine) -> Float64[np.ndarray, "3 3"]:
    """Unit vectors along the axes of the file, as columns."""
    return affine[:3, :3] / _spacing(affine)


def grid_corners(shape: tuple[int, ...]) -> Float64[np.ndarray, "8 4"]:
    """List the outermost voxels of a grid as (i, j, k, 1)."""
    return np.array([[*corner, 1.0] for corner in product(*((0, n - 1) for n in shape))])


def affine_notes(path: Path, affine: Affine) -> tuple[str, ...]:
    """Refuse an affine with impossible spacing or angles; say what is odd about a possible one."""
    if not np.isfinite(affine).all():
        raise refusal(path, "Its affine holds values that are not numbers.", "export it again")
    _check_spacing(path, _spacing(affine))
    axes = directions(affine)
    cosine = float(np.abs(axes.T @ axes)[np.triu_indices(3, k=1)].max())
    if cosine > MAX_COSINE_BETWEEN_AXES:
        what = "Its axes do not stand at right angles (singular or sheared affine)."
        raise refusal(path, what, "resample it to a grid without tilt, or mend the affine")
    if cosine <= ROUNDING:
        return ()
    degrees = np.degrees(np.arcsin(cosine))
    return (f"axes {degrees:.1g} degrees off right angles are taken as right angles",)


def _check_spacing(path: Path, spacing_mm: SpacingMm) -> None:
    if not _is_possible(spacing_mm):
        fix = f"mend the header: each must lie in {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm"
        raise refusal(path, f"Its voxels measure {_listed(spacing_mm)} mm.", fix)


def _is_possible(spacing_mm: SpacingMm) -> bool:
    return bool(((spacing_mm >= MIN_SPACING_MM) & (spacing_mm <= MAX_SPACING_MM)).all())


def _listed(spacing_mm: SpacingMm) -> str:
    return " x ".join(f"{size:.4g}" for size in spacing_mm)


def _units(header: nibabel.Nifti1Header) -> str:
    name = _UNITS.get(int(header["xyzt_units"]) & 7)
    return f"the header counts in {name}, its numbers are taken as mm" if name else ""


def _disagreement(
    path: Path,
    ours: Affine,
    theirs: Affine | None,
    form: Form,
    shape: tuple[int, ...],
    *,
    asked: bool,
) -> str:
    """Say how the other form differs; refuse what changes sides or distances and nobody chose."""
    other = "qform" if form == "sform" else "sform"
    if theirs is None or not (np.isfinite(theirs).all() and _spacing(theirs).all()):
        return _settled(path, f"its {other} makes no sense", form, asked=asked)
    if np.diag(directions(ours).T @ directions(theirs)).min() < _SAME_AXIS:
        what = (
            f"its {form} and {other} disagree on where left, front or top is "
            f"({_axis_names(ours)} against {_axis_names(theirs)})"
        )
        return _settled(path, what, form, asked=asked)
    sizes, others = _spacing(ours), _spacing(theirs)
    apart = float(np.abs(others / sizes - 1).max())
    if apart > NOTED_SPACING:
        what = f"its {form} says voxels of {_listed(sizes)} mm, its {other} {_listed(others)} mm"
        return _settled(path, what, form, asked=asked or apart <= MAX_SPACING)
    moved = grid_corners(shape) @ (ours - theirs).T
    apart_mm = float(np.linalg.norm(moved[:, :3], axis=1).max())
    if apart_mm <= MAX_UNNOTED_DRIFT_VOXELS * sizes.min():
        return ""
    return f"sform and qform lie up to {apart_mm:.3g} mm apart: the {form} counts"


def _against_pixdim(path: Path, sizes: SpacingMm, pixdim: SpacingMm, *, asked: bool) -> str:
    """Compare with the spacing that tools read which do not know the sform."""
    if not _is_possible(pixdim):
        return f"its pixdim ({_listed(pixdim)} mm) is no spacing, and is not used"
    apart = float(np.abs(pixdim / sizes - 1).max())
    if apart <= NOTED_SPACING:
        return ""
    what = f"its sform says voxels of {_listed(sizes)} mm, its pixdim {_listed(pixdim)} mm"
    fix = "find out which is right: --geometry sform believes the sform, else mend the header"
    return _settled(path, what, "sform", asked=asked or apart <= MAX_SPACING, fix=fix)


def _settled(path: Path, what: str, form: Form, *, asked: bool, fix: str = _CHOOSE_FORM) -> str:
    if not asked:
        raise refusal(path, f"{what[:1].upper()}{what[1:]}.", fix)
    return f"{what}: the {form} counts"


def _axis_names(affine: Affine) -> str:
    return "".join(map(str, nibabel.aff2axcodes(affine)))  # pyright: ignore[reportPrivateImportUsage]
