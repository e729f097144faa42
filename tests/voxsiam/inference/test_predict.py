import json
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from tests.dicom_files import PATIENT, write_series
from tests.nifti_files import (
    DIM,
    patch,
    phantom_ct,
    write_scan,
)
from tests.voxsiam.inference.small_models import (
    AFFINE,
    CPU,
    GRID,
    describe,
    write_ct,
    write_random_model,
)
from tests.voxsiam_data.checks.trunks import trunk
from voxsiam.errors import UserError
from voxsiam.inference.model_folder import load_model
from voxsiam.inference.predict import predict_case, predict_scan
from voxsiam.inference.predict_report import run_report
from voxsiam.inference.scan_files import ResultFiles, ScanSource
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.nifti import Scan, read_nifti
from voxsiam.volumes.orientation import axis_order, from_canonical, to_canonical
from voxsiam.volumes.preparation import place, prepare_image
from voxsiam.volumes.restoration import restore_classes
from voxsiam.volumes.volume_file import read_image

IMAGE, _ = phantom_ct((21, 18, 17))


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


def test_labels_are_those_of_the_scores_at_each_voxel(model, case):
    """The chain written out: place, prepare, network, softmax, interpolate, argmax."""
    scan = read_nifti(case[0].path)
    config = model.description.preparation
    placement = place(scan, config)
    image = torch.from_numpy(prepare_image(scan, config, placement).astype(np.float32))
    with torch.inference_mode():
        scores = model.network(image[None, None]).logits[0].softmax(0)
    run(model, case)
    written = read_nifti(case[1].label)
    found = canonical(written.array, written.affine)
    np.testing.assert_array_equal(found, restore_classes(scores, placement))
    assert len(np.unique(found)) > 3


def test_free_text_of_the_input_stays_behind(model, case):
    name = PATIENT[0].encode()
    patch(case[0].path, (148, "<12s", name), (228, "<12s", name), (14, "<12s", name))
    run(model, case, probabilities=True)
    for path in (case[1].label, case[1].probabilities):
        assert name not in load(path).header.binaryblock


def test_a_dicom_series_gives_the_labels_of_the_nifti(model, case, tmp_path):
    run(model, case)
    expected = read_nifti(case[1].label)
    write_series(tmp_path / "series", IMAGE.transpose(2, 1, 0), AFFINE)
    report = run(model, (ScanSource("series", tmp_path / "series"), case[1]), probabilities=True)
    found = read_nifti(case[1].label)
    np.testing.assert_array_equal(
        canonical(found.array, found.affine), canonical(expected.array, expected.affine)
    )
    np.testing.assert_allclose(found.affine, AFFINE, atol=1e-5)
    header = load(case[1].label).header
    assert (header["qform_code"], header["sform_code"]) == (1, 1)
    written = report.model_dump_json().encode()
    for path in (case[1].label, case[1].probabilities):
        written += load(path).header.binaryblock
    for word in (*PATIENT, "1.2.826"):
        assert word.encode() not in written


@pytest.mark.parametrize("crop", ["none", "body"])
def test_a_cropping_model_labels_the_whole_scan(tmp_path, case, crop):
    """Air around the body; what lies outside the box is background."""
    air = np.full((40, 36, 30), -1000, dtype=np.int16)
    air[8:29, 9:27, 6:23] = IMAGE
    write_scan(case[0].path, air, AFFINE)
    folder = write_random_model(tmp_path / "model", describe(crop=crop))
    run(load_model(folder, CPU), case)
    labels = read_nifti(case[1].label).array
    assert labels.shape == air.shape
    assert bool(labels[-2:, :2].any()) is (crop == "none")


def test_probabilities_are_one_4d_file_whose_best_class_is_the_label(model, case):
    report = run(model, case, probabilities=True)
    assert report.probabilities == str(case[1].probabilities)
    written = load(case[1].probabilities)
    np.testing.assert_array_equal(written.affine, load(case[0].path).affine)
    assert written.shape == (*IMAGE.shape, 9)
    values = written.get_fdata()
    np.testing.assert_allclose(values.sum(-1), 1, atol=2e-4)
    ordered = np.sort(values, axis=-1)
    clear = ordered[..., -1] - ordered[..., -2] > 1e-4
    labels = np.asarray(load(case[1].label).dataobj)
    np.testing.assert_array_equal(values.argmax(-1)[clear], labels[clear])
    assert clear.mean() > 0.9


def test_volumes_are_voxels_times_their_size(model, case):
    report = run(model, case)
    labels = read_nifti(case[1].label).array
    for value, organ in enumerate(PAPER_ORGANS, start=1):
        expected = np.count_nonzero(labels == value) * 1.5 * 1.2 * 3.0 / 1000
        assert report.organ_ml[organ] == pytest.approx(expected, abs=0.006)
    assert sum(report.organ_ml.values()) > 0


def test_the_same_scan_gives_the_same_bytes(model, case):
    first = run(model, case, probabilities=True)
    kept = case[1].probabilities.read_bytes()
    second = run(model, case, probabilities=True)
    assert first.output_sha256 == second.output_sha256
    assert kept == case[1].probabilities.read_bytes()
    assert kept[4:8] == bytes(4)  # gzip's time stamp


def test_what_to_doubt_is_said(tmp_path, model):
    def warnings(array, model=model):
        return " ".join(predict_scan(model, Scan(tmp_path, array, AFFINE)).warnings)

    assert "only 12 slices" in warnings(IMAGE[:, :, :12])
    assert "slices" not in warnings(IMAGE)
    assert "Hounsfield" in warnings(IMAGE - IMAGE.min())
    assert "Hounsfield" not in warnings(IMAGE)
    assert "no organ was found" not in warnings(IMAGE)
    cropped = load_model(write_random_model(tmp_path / "c", describe(crop="box")), CPU)
    assert "cropped" in warnings(IMAGE, cropped)
    with torch.no_grad():
        state = cropped.network.state_dict()
        state["output.bias"][0] = 1e4
    assert "no organ was found" in warnings(IMAGE, cropped)


def test_a_patient_who_lies_otherwise_than_the_header_says_is_noticed(tmp_path, model):
    image, _ = trunk()
    array = from_canonical(image, axis_order(np.diag([4.0, 4.0, 5.0, 1.0])))

    def doubts(affine):
        warnings = predict_scan(model, Scan(tmp_path, array, affine)).warnings
        return [warning for warning in warnings if "by its header" in warning]

    assert doubts(np.diag([4.0, 4.0, 5.0, 1.0])) == []
    (doubt,) = doubts(np.diag([-4.0, -4.0, 5.0, 1.0]))
    assert "the spine lies in front and the liver lies on the left" in doubt


def all_air(path):
    write_scan(path, np.full_like(IMAGE, -1000), AFFINE)


def with_nan(path):
    array = IMAGE.astype(np.float32)
    array[3, 4, 5] = np.nan
    write_scan(path, array, AFFINE)


def one_slice(path):
    write_scan(path, IMAGE[:, :, :1], AFFINE)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


BAD_SCANS = {
    "all air": (all_air, "constant"),
    "NaN": (with_nan, "1 intensities are NaN"),
    "one slice": (one_slice, "not a 3D scan"),
    "2D": (lambda path: patch(path, (DIM, "<4h", 2, 21, 306, 1)), "not a 3D scan"),
    "4D": (lambda path: write_scan(path, np.stack([IMAGE] * 2, -1), AFFINE), "not a 3D scan"),
    "truncated": (cut, "cannot be read to its end"),
    "empty": (lambda path: path.write_bytes(b""), "says otherwise|not a NIfTI"),
    "gone": (lambda path: path.unlink(), "does not exist"),
}


@pytest.mark.parametrize("name", BAD_SCANS)
def test_bad_scans_are_refused_and_leave_nothing_behind(model, case, name):
    change, words = BAD_SCANS[name]
    change(case[0].path)
    with pytest.raises(UserError, match=words) as caught:
        run(model, case)
    assert caught.value.where == str(case[0].path)
    assert not case[1].label.exists()


def test_a_result_that_cannot_be_written_is_said_and_leaves_nothing(model, case, tmp_path):
    (tmp_path / "file").touch()
    results = ResultFiles(tmp_path / "file" / "out.nii.gz", tmp_path / "p.nii.gz")
    with pytest.raises(UserError, match="cannot be written"):
        run(model, (case[0], results))
    (tmp_path / "folder.nii.gz").mkdir()
    results = ResultFiles(tmp_path / "folder.nii.gz", tmp_path / "p.nii.gz")
    with pytest.raises(UserError, match="cannot be written"):
        run(model, (case[0], results))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ct.nii.gz", "file", "folder.nii.gz"]


def test_the_report_is_plain_json_that_says_what_made_the_labels(model, case):
    done = run(model, case)
    report = json.loads(json.dumps(run_report(model, [done], [])))
    assert report["model"]["weights_sha256"] == model.weights_sha256
    assert report["model"]["trained"]["run_id"] == "0123456789abcdef"
    assert report["model"]["preparation"]["grid_dhw"] == list(GRID)
    assert report["versions"]["torch"] == torch.__version__
    assert report["computed"]["precision"] == "float32"
    (only,) = report["cases"]
    assert only["input"] == "ct.nii.gz"
    assert only["geometry"]["shape"] == list(IMAGE.shape)
    assert only["geometry"]["axes"] == "RAS"
    assert only["geometry"]["spacing_mm"] == pytest.approx([1.5, 1.2, 3.0])
    assert set(only["seconds"]) == {"read", "prepare", "network", "restore", "check", "write"}


def test_folders_are_read_as_dicom(tmp_path):
    write_series(tmp_path / "series", IMAGE.transpose(2, 1, 0), AFFINE)
    np.testing.assert_array_equal(read_image(tmp_path / "series").array, IMAGE)
