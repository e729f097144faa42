"""How a scan lies in space: spacing, angles, field of view.

Readers refuse what is impossible, and note what they mend (angles, units, qform against sform).
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from voxsiam.errors import UserError
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import axis_order, shape_dhw, spacing_dhw, tilt_note
from voxsiam_data.checks.finding import CheckName, Finding, Severity

MAX_ANISOTROPY = 10.0
"""5 mm slices of 0.6 mm pixels reach 8.3."""

MIN_SLICES = 16
"""The paper's grid has 64 slices; an abdomen of 200 mm has 20 slices of 10 mm."""

PLAUSIBLE_EXTENT_MM = ((60.0, 2200.0), (120.0, 700.0), (120.0, 700.0))
"""Along d, h, w: a cropped upper abdomen to a whole body; bores end at 700 mm. The smallest field
of view of the real CTs is 178 mm."""


def check_geometry(case_id: str, scan: Scan) -> Iterator[Finding]:
    """Say what is odd about the place of a scan's voxels."""
    order = axis_order(scan.affine)
    spacing = spacing_dhw(scan.affine, order)
    i, j, k = scan.array.shape
    shape = shape_dhw((i, j, k), order)
    yield from _tilt(case_id, scan.affine)
    if max(spacing) > MAX_ANISOTROPY * min(spacing):
        listed = " x ".join(f"{size:.3g}" for size in spacing)
        yield _finding(
            case_id,
            "note",
            f"Its voxels measure {listed} mm: {max(spacing) / min(spacing):.0f} to 1.",
            "check the spacing; slices as thick as that show small organs badly",
        )
    if shape[0] < MIN_SLICES:
        yield _finding(
            case_id,
            "note",
            f"It has {shape[0]} axial slices.",
            "check that the series is complete",
        )
    extents = [size * count for size, count in zip(spacing, shape, strict=True)]
    if not all(
        low <= extent <= high
        for extent, (low, high) in zip(extents, PLAUSIBLE_EXTENT_MM, strict=True)
    ):
        listed = " x ".join(f"{extent:.0f}" for extent in extents)
        yield _finding(
            case_id,
            "note",
            f"Its field of view is {listed} mm along d, h, w.",
            "check the spacing: is it in mm, and is it the scan's own?",
        )


def _finding(case_id: str, severity: Severity, what: str, fix: str) -> Finding:
    check: CheckName = "geometry"
    return Finding(case_id=case_id, check=check, severity=severity, what=what, fix=fix)


def _tilt(case_id: str, affine: Float64[np.ndarray, "4 4"]) -> Iterator[Finding]:
    try:
        note = tilt_note(affine, "")
    except UserError as error:
        yield _finding(case_id, "refuse", error.what, error.fix)
        return
    if note:
        fix = "resample it to axes along the patient, if its cases differ in this"
        yield _finding(case_id, "note", f"{note[:1].upper()}{note[1:]}.", fix)
