"""How a scan lies in space, and the patient in the scan.

Readers refuse what is impossible, and note what they mend (angles, units, qform against sform).
"""

from collections.abc import Iterator

from voxsiam.errors import UserError
from voxsiam.volumes.body_axes import body_axes
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import axis_order, spacing_dhw, tilt_note, to_canonical
from voxsiam_data.checks.case_voxels import CaseVoxels
from voxsiam_data.checks.finding import Finding, refusal_of

MAX_ANISOTROPY = 10.0
"""5 mm slices of 0.6 mm pixels reach 8.3."""

MIN_SLICES = 16
"""The paper's grid has 64 slices; an abdomen of 200 mm has 20 slices of 10 mm."""

PLAUSIBLE_EXTENT_MM = ((60.0, 2200.0), (120.0, 700.0), (120.0, 700.0))
"""Along d, h, w: a cropped upper abdomen to a whole body; bores end at 700 mm. The smallest field
of view of the real CTs is 178 mm."""


def check_geometry(scan: Scan) -> Iterator[Finding]:
    """Say what is odd about the place of a scan's voxels."""
    yield from _tilt(scan)
    order = axis_order(scan.affine)
    spacing = spacing_dhw(scan.affine, order)
    shape = to_canonical(scan.array, order).shape
    if max(spacing) > MAX_ANISOTROPY * min(spacing):
        listed = " x ".join(f"{size:.3g}" for size in spacing)
        yield Finding(
            "geometry",
            "note",
            f"Its voxels measure {listed} mm: {max(spacing) / min(spacing):.0f} to 1.",
            "check the spacing; slices as thick as that show small organs badly",
        )
    if shape[0] < MIN_SLICES:
        what = f"It has {shape[0]} axial slices."
        yield Finding("geometry", "note", what, "check that the series is complete")
    extents = [size * count for size, count in zip(spacing, shape, strict=True)]
    plausible = zip(extents, PLAUSIBLE_EXTENT_MM, strict=True)
    if not all(low <= extent <= high for extent, (low, high) in plausible):
        listed = " x ".join(f"{extent:.0f}" for extent in extents)
        yield Finding(
            "geometry",
            "note",
            f"Its field of view is {listed} mm along d, h, w.",
            "check the spacing: is it in mm, and is it the scan's own?",
        )


def check_body(voxels: CaseVoxels) -> Iterator[Finding]:
    """Note a scan whose spine, liver or lungs lie elsewhere than its header says.

    Labels that are turned with their scan agree with it, so no comparison of the two tells.
    """
    if voxels.image is None:
        return
    doubt = body_axes(voxels.image, voxels.spacing_mm).doubt
    if doubt:
        what = f"{doubt[:1].upper()}{doubt[1:]}."
        fix = "look at its picture; if it is so, correct the affine of scan and labels alike"
        yield Finding("body", "note", what, fix)


def _tilt(scan: Scan) -> Iterator[Finding]:
    try:
        note = tilt_note(scan.affine, "")
    except UserError as error:
        yield refusal_of("geometry", error)
        return
    if note:
        what = f"{note[:1].upper()}{note[1:]}."
        fix = "resample it to axes along the patient, if its cases differ in this"
        yield Finding("geometry", "note", what, fix)
