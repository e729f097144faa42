import shutil

import numpy as np
import pytest

from tests.nifti_files import write_scan
from tests.source_miniatures import (
    abdomen,
    as_published,
    organs_on_scan,
    write_pancreas_ct,
    write_patient,
    write_slices,
    write_tcia_labels,
)
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.volume_file import image_files
from voxsiam_data.labels.protocols import protocol
from voxsiam_data.sources.detect import find_source
from voxsiam_data.sources.layouts.pancreas_ct import read


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return write_pancreas_ct(tmp_path_factory.mktemp("tcia"))


@pytest.fixture
def root(template, tmp_path):
    return shutil.copytree(template, tmp_path / "tcia")


def cases(root):
    return {case.case_id: case for case in read(root).manifest.cases}


def test_series_and_references_are_joined(root):
    found = cases(root)
    assert list(found) == ["PANCREAS_0002", "PANCREAS_0003"]
    case = found["PANCREAS_0003"]
    assert (case.patient_id, case.source, case.crop_box) == ("PANCREAS_0003", "pancreas-ct", None)
    assert case.label.files == (root / "label_tcia_multiorgan" / "label0003.nii.gz",)
    assert isinstance(case.label, LabelMap)
    assert case.label.place == "by_hu"
    assert case.image is not None
    assert case.label.annotated == (1, 2, 3, 4, 5, 6, 7, 8)
    assert len(image_files(case.image)) == 20


def test_an_upside_down_label_map_with_a_wrong_header_lands_on_its_organs(root):
    case = cases(root)["PANCREAS_0002"]
    label = organs_on_scan(case)
    np.testing.assert_array_equal(label, abdomen(2)[1].transpose(2, 1, 0))


@pytest.mark.parametrize("below", ["", "study", "11-24-2015-PANCREAS0002-Pancreas-18957/series"])
def test_layouts_of_the_download_tools(tmp_path, below):
    write_patient(tmp_path / "manifest-1599750808610" / "Pancreas-CT", 2, below)
    write_tcia_labels(tmp_path, [2])
    assert list(cases(tmp_path)) == ["PANCREAS_0002"]


@pytest.mark.parametrize("name", ["label{}.nii.gz", "label{:02}.nii.gz", "LABEL{:04}.nii.gz"])
def test_numbers_with_and_without_zeros(tmp_path, name):
    write_tcia_labels(write_pancreas_ct(tmp_path, (2,)), [3], name)
    folder = write_patient(tmp_path / "Pancreas-CT", 3)
    folder.rename(folder.with_name("PANCREAS_3"))
    assert list(cases(tmp_path)) == ["PANCREAS_0002", "PANCREAS_0003"]


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_a_withdrawn_scan_is_named(root, folder):
    write_tcia_labels(root, [25])
    if folder == "empty":
        (root / "Pancreas-CT" / "PANCREAS_0025").mkdir()
    found = read(root)
    assert [case.case_id for case in found.manifest.cases] == ["PANCREAS_0002", "PANCREAS_0003"]
    assert found.notes == ("PANCREAS_0025 has no scan: TCIA withdrew it",)


def test_an_older_download_still_has_it(root):
    write_tcia_labels(root, [25])
    write_patient(root / "Pancreas-CT", 25)
    assert "PANCREAS_0025" in cases(root)


def test_what_has_no_partner_is_noted(root):
    write_tcia_labels(root, [4, 5, 8])
    for number in (1, 49):
        (root / "Pancreas-CT" / f"PANCREAS_{number:04}").mkdir()
    assert read(root).notes == (
        "left out, with a label map and no scan: 0004-0005, 0008",
        "left out, without a multi-organ reference: 0001, 0049",
    )


def test_patients_csv_groups_cases(root):
    table = "case_id,patient_id\nPANCREAS_0002,p\nPANCREAS_0003,p\n"
    (root / "patients.csv").write_text(table)
    assert {case.patient_id for case in cases(root).values()} == {"p"}


def labels_of_tcia(root):
    """TCIA's own files: 82 patients, the pancreas alone."""
    folder = root / "label_tcia_multiorgan"
    for number in (1, 2, 3):
        pancreas = (abdomen(0)[1] == 7).astype(np.uint8)
        write_scan(folder / f"label{number:04}.nii.gz", pancreas)


def pancreas_alone(root):
    labels_of_tcia(root)
    (root / "label_tcia_multiorgan" / "label0001.nii.gz").unlink()


def empty_patient(root):
    shutil.rmtree(next((root / "Pancreas-CT" / "PANCREAS_0003").iterdir()))


def two_series(root):
    write_slices(root / "Pancreas-CT" / "PANCREAS_0003" / "other", abdomen(9)[0])


def patient_twice(root):
    write_patient(root / "second download", 3)


def patient_named_twice(root):
    write_patient(root / "Pancreas-CT", 3).rename(root / "Pancreas-CT" / "pancreas_3")
    write_patient(root / "Pancreas-CT", 3)


def labels_twice(root):
    shutil.copytree(root / "label_tcia_multiorgan", root / "x" / "label_tciapancreasct_multiorgan")


def label_twice(root):
    folder = root / "label_tcia_multiorgan"
    shutil.copy(folder / "label0003.nii.gz", folder / "label3.nii.gz")


def stray_label(root):
    (root / "label_tcia_multiorgan" / "mask.nii.gz").write_bytes(b"")


def no_labels(root):
    shutil.rmtree(root / "label_tcia_multiorgan")


def linked_label(root):
    label = root / "label_tcia_multiorgan" / "label0003.nii.gz"
    outside = label.rename(root.parent / "elsewhere.nii.gz")
    label.symlink_to(outside)


def linked_patient(root):
    patient = root / "Pancreas-CT" / "PANCREAS_0003"
    patient.symlink_to(patient.rename(root.parent / "elsewhere"))


def linked_series(root):
    study = next((root / "Pancreas-CT" / "PANCREAS_0003").iterdir())
    study.symlink_to(study.rename(root.parent / "elsewhere"))


def dead_link(root):
    label = root / "label_tcia_multiorgan" / "label0003.nii.gz"
    label.unlink()
    label.symlink_to(root / "nothing")


def damaged_label(root):
    (root / "label_tcia_multiorgan" / "label0002.nii.gz").write_bytes(b"cut")


def odd_patient(root):
    (root / "Pancreas-CT" / "PANCREAS_0003_old").mkdir()


BAD = {
    labels_of_tcia: ("no case 0001: these seem to be TCIA's own labels", "label0001.nii.gz"),
    pancreas_alone: ("no duodenum.*TCIA's own labels of the pancreas", "label0002.nii.gz"),
    empty_patient: ("holds no DICOM slice", "PANCREAS_0003"),
    two_series: ("2 folders of DICOM slices, also", "PANCREAS_0003"),
    patient_twice: ("the same case as PANCREAS_0003 in", "PANCREAS_0003"),
    patient_named_twice: ("the same case as", "pancreas_3"),
    labels_twice: ("labels are there twice", "label_tciapancreasct_multiorgan"),
    label_twice: ("the same case as label0003.nii.gz", "label3.nii.gz"),
    stray_label: ("not named label####", "mask.nii.gz"),
    no_labels: ("multi-organ references .label_tcia_multiorgan/. are not there", "tcia"),
    linked_label: ("leads out of the data set", "label0003.nii.gz"),
    linked_patient: ("leads out of the data set", "PANCREAS_0003"),
    linked_series: ("leads out of the data set", "1.3.6.1.4.1.1"),
    dead_link: ("link leads nowhere", "label0003.nii.gz"),
    damaged_label: ("gzip|NIfTI|cut", "label0002.nii.gz"),
    odd_patient: ("not named PANCREAS_####", "PANCREAS_0003_old"),
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_malformed_layouts(root, spoil):
    spoil(root)
    words, where = BAD[spoil]
    with pytest.raises(UserError, match=words) as caught:
        find_source(root)
    assert where in caught.value.where
    assert len(str(caught.value)) < 600


def test_another_protocol_is_refused(root):
    assert len(find_source(root, protocol("zenodo")).manifest.cases) == 2
    with pytest.raises(UserError, match="follow 'zenodo', not 'btcv'"):
        find_source(root, protocol("btcv"))


def test_one_file_without_duodenum_is_no_proof(root):
    label = abdomen(0)[1]
    label[label == 8] = 0
    stack = as_published(label, "zenodo")[::-1, ::-1, ::-1]
    write_scan(root / "label_tcia_multiorgan" / "label0002.nii.gz", stack, np.eye(4))
    assert len(cases(root)) == 2
