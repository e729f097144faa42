from pathlib import Path

import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam.volumes.cropping import body_box

PATH = Path("ct.nii.gz")
THIN = (5.0, 100.0, 3.0)  # 10 mm are 2, 1 and 4 voxels


def air(shape=(30, 20, 40)):
    return np.full(shape, -1000, dtype=np.int16)


def extents(box):
    return [(part.start, part.stop) for part in box]


def test_body_with_ten_millimetres_around_it():
    ct = air()
    ct[10:20, 5:15, 12:30] = 40
    assert extents(body_box(ct, THIN, PATH)) == [(8, 22), (4, 16), (8, 34)]


def test_margin_ends_at_the_scan():
    ct = air()
    ct[1:30, :, 0:39] = 40
    assert extents(body_box(ct, THIN, PATH)) == [(0, 30), (0, 20), (0, 40)]


def test_a_table_and_specks_are_left_out_and_lungs_belong_to_the_body():
    ct = air()
    ct[10:20, 5:15, 12:30] = 40
    expected = body_box(ct, THIN, PATH)
    ct[12:18, 7:12, 14:20] = -900
    ct[:, 18, :] = 200
    ct[25, 9, 3] = 3000
    assert body_box(ct, THIN, PATH) == expected


def test_parts_that_touch_at_a_corner_only_are_apart():
    ct = air()
    ct[10:20, 5:15, 12:30] = 40
    expected = body_box(ct, THIN, PATH)
    ct[20:22, 15:17, 30:32] = 40
    assert body_box(ct, THIN, PATH) == expected


@pytest.mark.parametrize(("hu", "is_body"), [(-500, False), (-499, True)])
def test_the_threshold(hu, is_body):
    ct = air()
    ct[10:20, 5:15, 12:30] = hu
    if is_body:
        assert extents(body_box(ct, THIN, PATH)) == [(8, 22), (4, 16), (8, 34)]
    else:
        with pytest.raises(UserError, match="no body") as caught:
            body_box(ct, THIN, PATH)
        assert caught.value.where == str(PATH)


def test_the_body_need_not_hold_organs_nor_be_larger_than_a_voxel():
    ct = air()
    ct[3, 3, 3] = 0
    assert extents(body_box(ct, (100.0, 100.0, 100.0), PATH)) == [(2, 5), (2, 5), (2, 5)]
