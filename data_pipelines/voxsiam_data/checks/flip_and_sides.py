"""Does the label map lie on the organs of the scan, and on the right sides of the patient?"""

from collections.abc import Iterator

from voxsiam.types import organ_words
from voxsiam.volumes.label_flip import (
    AS_IT_IS,
    MIN_LIVER_ML,
    FlipComparison,
    compare_flips,
    left_of_liver_mm,
    sides_are_swapped,
)
from voxsiam_data.checks.case_voxels import CaseVoxels
from voxsiam_data.checks.finding import Finding

REFUSED_AIR_SHARE = 0.1
"""Of the voxels of even organs. Measured where the map is right: at most 0.002 (two real CTs, 30
phantoms); half of the maps shifted by 16 mm are above 0.08."""

NOTED_AIR_SHARE = 0.01


def check_flip(voxels: CaseVoxels) -> Iterator[Finding]:
    """Refuse a label map that clearly fits mirrored, or that lies in air.

    Without much of the liver in view a better flip is only noted.
    """
    if voxels.image is None or voxels.label is None:
        return
    compared = compare_flips(voxels.image, voxels.label, voxels.spacing_mm, voxels.organs)
    if compared is None:
        return
    best, here = compared.best, compared.unchanged
    air = here.air_share
    if best.flip != AS_IT_IS and compared.is_clear:
        yield Finding(
            "flip",
            "refuse",
            f"The label map is mirrored. It fits {best}. Now {here}.",
            "give both files headers that agree, or mirror the label map's array",
        )
    elif air > NOTED_AIR_SHARE:
        yield Finding(
            "flip",
            "refuse" if air > REFUSED_AIR_SHARE else "note",
            f"{air:.1%} of liver, spleen, left kidney and pancreas lie in air.",
            "look whether the label map belongs to this scan and lies on it",
        )
    elif best.flip != AS_IT_IS:
        what = f"{_doubt(compared)}: best {best}, as it is {here.spread_hu:.0f} HU."
        fix = "look at its picture: do the outlines follow the organs?"
        yield Finding("flip", "note", what, fix)


def _doubt(compared: FlipComparison) -> str:
    if compared.shows_enough_to_refuse:
        return "The scan does not show that the label map lies right"
    return (
        f"{compared.liver_ml:.0f} ml of liver in view ({MIN_LIVER_ML:.0f} needed) cannot tell "
        "whether the label map lies right"
    )


def check_sides(voxels: CaseVoxels) -> Iterator[Finding]:
    """Refuse a label map whose spleen and left kidney lie on the right of the liver."""
    if voxels.label is None:
        return
    distances = left_of_liver_mm(voxels.label, voxels.spacing_mm, voxels.organs)
    listed = ", ".join(
        f"{organ_words(organ)} {-distance:.0f} mm"
        for organ, distance in distances.items()
        if distance < 0
    )
    if sides_are_swapped(distances):
        yield Finding(
            "sides",
            "refuse",
            f"Left and right are swapped: to the right of the liver lie {listed}.",
            "correct the affine of scan and labels; leave a true situs inversus out",
        )
    elif listed:
        what = f"To the right of the liver's centre lie {listed}."
        yield Finding("sides", "note", what, "look whether its organs carry the right labels")
