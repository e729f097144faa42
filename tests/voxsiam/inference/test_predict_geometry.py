"""A label map lies on the voxels of its scan, number by number."""

from typing import Any

import nibabel
import numpy as np
import pytest

from tests.nifti_files import ALL_AXES, QFORM, SFORM_ROWS, patch, phantom_ct, reoriented, write_scan
from tests.voxsiam.inference.small_models import AFFINE, CPU, write_ct, write_random_model
from voxsiam.inference.model_folder import load_model
from voxsiam.inference.predict import predict_case, predict_scan
from voxsiam.inference.scan_files import ResultFiles, ScanSource
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import axis_order, to_canonical

IMAGE, _ = phantom_ct((21, 18, 17))
GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "sform_code", "srow_x", "srow_y", "srow_z"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_random_model(tmp_path_factory.mktemp("model")), CPU)


@pytest.fixture
def case(tmp_path):
    """Where the one case of a test is read and written."""
    results = ResultFiles(tmp_path / "out.nii.gz", tmp_path / "out_probabilities.nii.gz")
    return ScanSource("ct", write_ct(tmp_path / "ct.nii.gz")), results


def run(model, case, *, probabilities=False):
    source, results = case
    return predict_case(model, source, results, probabilities=probabilities)


def canonical(array, affine):
    return to_canonical(array, axis_order(affine))


def load(path) -> Any:
    return nibabel.load(path)  # pyright: ignore[reportPrivateImportUsage]


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES)
def test_all_48_orientations_give_the_same_labels_on_their_own_grid(model, case, axes, signs):
    expected = canonical(predict_scan(model, Scan(case[0].path, IMAGE, AFFINE)).label, AFFINE)
    stored, affine = reoriented(IMAGE, AFFINE, axes, signs)
    write_scan(case[0].path, stored, affine)
    run(model, case)
    given, written = load(case[0].path), load(case[1].label)
    assert written.get_data_dtype() == np.uint8
    assert written.shape == given.shape
    np.testing.assert_array_equal(written.affine, given.affine)
    for field in GEOMETRY:
        np.testing.assert_array_equal(written.header[field], given.header[field])
    labels = np.asarray(written.dataobj)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(canonical(labels, written.affine), expected)


def qform_alone(path):
    patch(path, (QFORM, "<2h", 1, 0))


def forms_that_differ(path):
    patch(path, (QFORM, "<2h", 1, 3), (SFORM_ROWS + 12, "<f", -30.0))


def oblique(path):
    c, s = np.cos(0.2), np.sin(0.2)
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    write_scan(path, IMAGE, turn @ AFFINE)


def nifti_2(path):
    image = nibabel.Nifti2Image(IMAGE, AFFINE)  # pyright: ignore[reportPrivateImportUsage]
    nibabel.save(image, path)  # pyright: ignore[reportPrivateImportUsage]


def big_endian(path):
    header = nibabel.Nifti1Header(endianness=">")  # pyright: ignore[reportPrivateImportUsage]
    image = nibabel.Nifti1Image(IMAGE, AFFINE, header)  # pyright: ignore[reportPrivateImportUsage]
    nibabel.save(image, path)  # pyright: ignore[reportPrivateImportUsage]


def four_axes(path):
    write_scan(path, IMAGE[..., None], AFFINE)


@pytest.mark.parametrize(
    "change", [qform_alone, forms_that_differ, oblique, nifti_2, big_endian, four_axes]
)
def test_geometry_of_unusual_headers_is_repeated_number_by_number(model, case, change):
    change(case[0].path)
    run(model, case)
    given, written = load(case[0].path), load(case[1].label)
    assert type(written.header) is type(given.header)
    np.testing.assert_array_equal(written.affine, given.affine)
    assert written.shape == given.shape[:3]
    for field in GEOMETRY:
        np.testing.assert_array_equal(written.header[field], given.header[field])
