"""B13 to B15, B20: a label map and its reference, given to `voxsiam evaluate`."""

from pathlib import Path

import numpy as np

from tests.bad_inputs.row import Row, Suite
from tests.nifti_files import phantom_ct, ras_affine, write_scan

_, LABEL = phantom_ct((21, 18, 17))
AFFINE = ras_affine((0.7, 0.8, 2.5), (-10, 20, 30))
LABEL_NAME, REFERENCE = "organs.nii.gz", "reference.nii.gz"


def sound(folder: Path) -> None:
    for name in (LABEL_NAME, REFERENCE):
        write_scan(folder / name, LABEL, AFFINE)


def with_voxels(value, dtype: type[np.number]):
    changed = LABEL.astype(dtype)
    changed[3, 4, 5:7] = value
    return array(changed)


def array(changed, affine=AFFINE, name=LABEL_NAME):
    return lambda folder: write_scan(folder / name, changed, affine)


def without(*values):
    return np.where(np.isin(LABEL, values), 0, LABEL).astype(np.uint8)


def moved(voxels, sign=1):
    affine = AFFINE.copy()
    affine[0, 0] *= sign
    affine[0, 3] += 0.7 * voxels
    return affine


def both_empty(folder):
    for name in (LABEL_NAME, REFERENCE):
        array(without(5), name=name)(folder)


ROWS = (
    *(Row("B13", f"label value {value:g} in {dtype.__name__}", with_voxels(value, dtype),
          words=rf"does not know: {words} \(2 voxels\)")
      for value, dtype, words in (
          (9, np.uint8, "9"), (255, np.uint8, "255"), (-1, np.int16, "-1"),
          (0.9999, np.float64, r"0\.9999"), (2**40, np.int64, r"1\.09951163e\+12"),
          (np.nan, np.float32, "nan"))),
    Row("B13", "values with gaps (0, 1, 2, 4)", array(without(3, 5, 6, 7, 8)), "accepted"),
    Row("B13", "whole numbers stored as float64", array(LABEL.astype(np.float64)), "accepted"),
    Row("B14", "empty reference", array(without(*range(1, 9)), name=REFERENCE),
        words="None of the references holds any"),
    Row("B15", "label map one slice short", array(LABEL[:, :, :-1]), words="voxels, its reference"),
    Row("B15", "origin off by a voxel", array(LABEL, moved(1)), words="1 voxels away"),
    Row("B15", "affine mirrored", array(LABEL, moved(0, -1)), words="voxels away"),
    Row("B20", "an organ is missed", array(without(5)), "accepted", "liver .* 1 "),
    Row("B20", "an organ is invented", array(without(5), name=REFERENCE), "accepted", "liver"),
    Row("B20", "an organ on neither side", both_empty, "accepted", "liver"),
    Row("B20", "nothing predicted", array(without(*range(1, 9))), "accepted", "missed"),
)  # fmt: skip

SUITE = Suite(
    "a label map and its reference, to `voxsiam evaluate`",
    ("evaluate", "-p", LABEL_NAME, "-r", REFERENCE),
    sound,
    ROWS,
)
