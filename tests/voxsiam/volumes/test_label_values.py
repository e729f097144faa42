import nibabel
import numpy as np
import pytest

from tests.nifti_files import ALL_AXES, phantom_ct, ras_affine, reoriented
from voxsiam.errors import UserError
from voxsiam.volumes.label_values import renamed_label
from voxsiam.volumes.nifti import Scan, read_nifti

AFFINE = ras_affine((0.7, 0.8, 2.5))
LABEL = phantom_ct()[1]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64, np.float32, np.float64])
def test_values_of_every_type_are_renamed(tmp_path, dtype):
    label_values = {0: 0, 1: 5, 2: 0, 65535: 1, **dict.fromkeys(range(3, 9), 8)}
    scan = Scan(tmp_path, LABEL.astype(dtype), AFFINE)
    slow = [[[label_values[int(v)] for v in line] for line in plane] for plane in LABEL.T]
    ours = renamed_label(scan, label_values)
    assert ours.dtype == np.uint8
    assert ours.flags.c_contiguous
    np.testing.assert_array_equal(ours, slow)


def test_values_below_zero_can_be_declared(tmp_path):
    scan = Scan(tmp_path, LABEL.astype(np.int16) - 3, AFFINE)
    ours = renamed_label(scan, {value - 3: value for value in range(9)})
    np.testing.assert_array_equal(ours, LABEL.T)


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES[::7])
def test_the_result_lies_in_the_patient_frame(tmp_path, axes, signs):
    scan = Scan(tmp_path, *reoriented(LABEL, AFFINE, axes, signs))
    np.testing.assert_array_equal(renamed_label(scan, {v: v for v in range(9)}), LABEL.T)


def test_whole_numbers_that_were_saved_with_a_scale_get_the_advice_that_helps(tmp_path):
    """nibabel stores floating-point labels as 8-bit numbers with a slope of 8 / 255."""
    image = nibabel.Nifti1Image(LABEL.astype(np.float64), AFFINE)
    image.header.set_data_dtype(np.uint8)
    nibabel.save(image, tmp_path / "label.nii.gz")
    with pytest.raises(UserError, match="Unknown label values") as caught:
        renamed_label(read_nifti(tmp_path / "label.nii.gz"), {value: value for value in range(9)})
    assert "scaled by 0.0" in caught.value.fix
    assert "as integers" in caught.value.fix


def test_any_list_of_structures_is_renamed(tmp_path):
    """The 104 of TotalSegmentator 1, numbered backwards."""
    array = np.arange(105, dtype=np.uint16).reshape(5, 7, 3)
    values = {value: (105 - value) % 105 for value in range(105)}
    ours = renamed_label(Scan(tmp_path, array, AFFINE), values)
    np.testing.assert_array_equal(ours, (105 - array.T.astype(int)) % 105)
    with pytest.raises(UserError, match=r"Unknown label values: 104 \(1 voxels\)") as caught:
        renamed_label(Scan(tmp_path, array, AFFINE), dict.fromkeys(range(104), 1))
    assert "0 to 103" in caught.value.fix
