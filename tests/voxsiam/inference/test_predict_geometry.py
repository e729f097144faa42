"""A label map lies on the voxels of its scan, number by number."""

from typing import Any

import nibabel
import numpy as np
import pytest

from tests.nifti_files import ALL_AXES, QFORM, SFORM_ROWS, patch, phantom_ct, reoriented, write_scan
from tests.voxsiam.inference.small_models import AFFINE, CPU, write_ct, write_random_model
from voxsiam.errors import UserError
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


def turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
    return turn @ AFFINE


def test_a_scan_out_of_the_patients_axes_is_treated_as_in_the_checks(model, case):
    write_scan(case[0].path, IMAGE, turned(20))
    assert any("turned by 20 degrees" in warning for warning in run(model, case).warnings)
    write_scan(case[0].path, IMAGE, turned(31))
    with pytest.raises(UserError, match="turned by 31 degrees"):
        run(model, case)


def test_a_stale_sform_is_refused_until_somebody_says_which_form_is_right(model, case):
    stale = ((QFORM, "<2h", 1, 1), (SFORM_ROWS, "<12f", 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0))
    patch(write_ct(case[0].path), *stale)
    with pytest.raises(UserError, match="says voxels of 1 x 1 x 1 mm"):
        run(model, case)
    reports = {
        form: predict_case(model, *case, probabilities=False, geometry=form)
        for form in ("sform", "qform")
    }
    assert {form: report.geometry.form for form, report in reports.items()} == dict(
        zip(reports, reports, strict=True)
    )
    volumes = [sum(report.organ_ml.values()) for report in reports.values()]
    assert volumes[1] == pytest.approx(volumes[0] * abs(np.linalg.det(AFFINE[:3, :3])), rel=0.01)
    assert any("the qform counts" in warning for warning in reports["qform"].warnings)


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
