"""Does the patient lie in the scan as its header says?"""

from collections.abc import Iterator

from voxsiam.volumes.body_axes import body_axes
from voxsiam_data.checks.case_voxels import CaseVoxels
from voxsiam_data.checks.finding import Finding


def check_body(voxels: CaseVoxels) -> Iterator[Finding]:
    """Note a scan whose spine, liver or lungs lie elsewhere than its header says.

    Labels that are turned with their scan agree with it, so no comparison of the two tells.
    """
    if voxels.image is None:
        return
    doubt = body_axes(voxels.image, voxels.spacing_mm).doubt
    if doubt:
        yield Finding(
            case_id=voxels.case_id,
            check="body",
            severity="note",
            what=f"{doubt[:1].upper()}{doubt[1:]}.",
            fix="look at its picture; if it is so, correct the affine of scan and labels alike",
        )
