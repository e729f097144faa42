"""What each defect is called: a table of cases with promised outcomes."""

import numpy as np
import pytest

from tests.dicom_files import PATIENT, write_series
from tests.nifti_files import PIXDIM, QFORM, patch
from tests.voxsiam_data.checks.trunks import (
    SPACING,
    VALUES,
    ellipsoid,
    known,
    only,
    trunk,
    uneven_spleen,
    write_case,
    write_image,
)
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.volume_file import read_image
from voxsiam_data.checks.case import check_case, refusals_of
from voxsiam_data.checks.case_voxels import CaseVoxels
from voxsiam_data.checks.intensities import check_intensities
from voxsiam_data.checks.pictures import picture_of

LIVER, SPLEEN = PAPER_ORGANS.index("liver") + 1, PAPER_ORGANS.index("spleen") + 1
TILTED = np.radians(20)


def checked(folder, image, label, affine=None):
    return check_case(write_case(folder, "anna", image, label, affine), folder)


def said(report):
    return {(one.severity, one.check) for one in report.findings}


def with_nan(image, label):
    broken = image.astype(np.float32)
    broken[7, 3:5, 3] = np.nan
    return broken, label


def in_air(image, label):
    return image, np.roll(label, 30, axis=1)


def island(image, label):
    label = label.copy()
    label[2:5, 2:5, 2:5] = LIVER  # 2.2 ml
    label[12, 40:50, 30:40] = LIVER  # 8 ml
    return image, label


def speck(image, label):
    label = label.copy()
    label[4, 4, 4] = LIVER
    return image, label


def small_liver(image, label):
    label = np.where(label == LIVER, 0, label)
    label[ellipsoid((40, 5, 75), (20, 20, 20))] = LIVER
    return image, label.astype(np.uint8)


DEFECTS = {
    "NaN": (with_nan, "refuse", "intensities", "2 intensities are NaN"),
    "infinite": (
        lambda i, x: (np.where(i > 380, np.inf, i).astype(np.float32), x),
        "refuse",
        "intensities",
        "NaN or infinite",
    ),
    "constant": (lambda i, x: (i * 0, x), "refuse", "intensities", "Every voxel is 0"),
    "offset kept": (lambda i, x: (i + 1024, x), "refuse", "intensities", "1024 HU too high"),
    "offset taken off twice": (
        lambda i, x: (i - 1024, x), "refuse", "intensities", "1024 HU too low"
    ),
    "eight bits": (
        lambda i, x: ((i.clip(-160, 240) + 160) * 0.6375, x),
        "refuse",
        "intensities",
        "not in Hounsfield units",
    ),
    "unit interval": (
        lambda i, x: (((i.clip(-1000, 1000) + 1000) / 2000).astype(np.float32), x),
        "refuse",
        "intensities",
        "not in Hounsfield units",
    ),
    "padding": (
        lambda i, x: (np.where(np.indices(i.shape)[1] < 3, -3024, i).astype(np.int16), x),
        "note",
        "intensities",
        "darker than air, down to -3024",
    ),
    "mirrored d": (lambda i, x: (i, x[::-1]), "refuse", "flip", "It fits mirrored along d"),
    "mirrored h": (lambda i, x: (i, x[:, ::-1]), "refuse", "flip", "It fits mirrored along h"),
    "mirrored w": (lambda i, x: (i, x[:, :, ::-1]), "refuse", "flip", "mirrored along w"),
    "both mirrored": (
        lambda i, x: (i[:, :, ::-1], x[:, :, ::-1]), "refuse", "sides", "swapped"
    ),
    "turned as a whole, the liver alone": (
        lambda i, x: (i[:, ::-1, ::-1], only(x, "liver")[:, ::-1, ::-1]),
        "note",
        "body",
        "the spine lies in front and the liver lies on the left",
    ),
    "axes exchanged as a whole": (
        lambda i, x: (i.transpose(1, 0, 2), only(x, "pancreas").transpose(1, 0, 2)),
        "note",
        "body",
        "the spine runs from back to front: its axes are exchanged",
    ),
    "in air": (in_air, "refuse", "flip", "lie in air"),
    "an island": (island, "note", "labels", "in 3 pieces"),
    "small": (small_liver, "note", "labels", "liver measures"),
    "missing": (
        lambda i, x: (i, np.where(x == 8, 0, x).astype(np.uint8)), "note", "labels", "duodenum"
    ),
    "cut": (lambda i, x: (i[20:], x[20:]), "note", "labels", "Cut off by an end of the scan: "),
    "few slices": (lambda i, x: (i[10:24], x[10:24]), "note", "geometry", "14 axial slices"),
    "unknown value": (
        lambda i, x: (i, np.where(x == 8, 14, x).astype(np.uint8)), "refuse", "labels", r"14 \("
    ),
    "empty": (lambda i, x: (i, x * 0), "refuse", "labels", "none of the organs"),
}  # fmt: skip


def test_a_sound_case_has_no_findings(tmp_path):
    report = checked(tmp_path, *trunk())
    assert report.findings == ()
    assert (report.shape, report.spacing_mm) == ((44, 60, 84), (5, 4, 4))
    assert report.severity is None
    assert [one.organ for one in report.organs] == list(PAPER_ORGANS)
    assert [one.organ for one in report.organs if one.is_cut] == ["esophagus"]


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_gets_its_name(name, tmp_path):
    damage, severity, check, words = DEFECTS[name]
    report = checked(tmp_path, *damage(*trunk()))
    matching = [one for one in report.findings if (one.severity, one.check) == (severity, check)]
    assert matching, report.findings
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(*[one.what for one in matching])
    assert report.severity == severity
    assert all(one.what.endswith(".") and one.fix for one in report.findings)
    assert report.picture is not None


def flips_of(folder, image, label):
    return [one for one in checked(folder, image, label).findings if one.check == "flip"]


def test_a_map_of_the_spleen_alone_is_never_refused_as_mirrored(tmp_path):
    image, label = uneven_spleen()
    (found,) = flips_of(tmp_path, image, only(label, "spleen"))
    assert found.severity == "note"
    assert "0 ml of liver in view (100 needed) cannot tell" in found.what
    assert "best mirrored along w" in found.what
    assert flips_of(tmp_path, image, label) == []


def test_a_map_of_the_liver_alone_is_refused_where_it_is_mirrored(tmp_path):
    image, label = trunk()
    liver = only(label, "liver")
    assert flips_of(tmp_path, image, liver) == []
    (found,) = flips_of(tmp_path, image, liver[:, :, ::-1])
    assert (found.severity, found.what[:26]) == ("refuse", "The label map is mirrored.")


def test_a_speck_is_not_worth_a_note(tmp_path):
    assert checked(tmp_path, *speck(*trunk())).findings == ()


def test_the_picture_shows_the_slice_of_the_worst_finding(tmp_path):
    image, label = with_nan(*island(*trunk()))
    report = checked(tmp_path, image, label)
    assert report.findings[0].slice_index == known(report.picture).axial.index == 7
    report = checked(tmp_path, *island(*trunk()))
    assert report.findings[0].slice_index == known(report.picture).axial.index == 12


GEOMETRIES = {
    "voxels of a micrometre's name": (
        lambda p: patch(p, (123, "B", 3)), "repair", "files", "micrometres"
    ),
    "qform elsewhere": (
        lambda p: patch(p, (QFORM, "<h", 1), (QFORM + 16, "<f", 40.0)),
        "repair",
        "files",
        "form and qform",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GEOMETRIES)
def test_headers_that_contradict_themselves(name, tmp_path):
    damage, severity, check, words = GEOMETRIES[name]
    case = write_case(tmp_path, "anna", *trunk())
    damage(known(case.image))
    findings = check_case(case, tmp_path).findings
    assert [(one.severity, one.check) for one in findings] == [(severity, check)]
    assert words in findings[0].what


def test_what_the_reader_mends_in_both_files_is_said_once(tmp_path):
    drifting = np.diag([4.0, 4.0, 5.0, 1.0])
    drifting[0, 1] = 0.004
    case = write_case(tmp_path, "anna", *trunk(), drifting)
    for path in (known(case.image), *case.label.files):
        patch(path, (QFORM, "<h", 1), (QFORM + 16, "<f", 40.0))
    findings = check_case(case, tmp_path).findings
    assert sorted(one.what[:5] for one in findings) == ["Axes ", "Sform"]
    assert {(one.severity, one.check) for one in findings} == {("repair", "files")}


def turned(degrees, shear=0.0):
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[0, 1] += shear
    return turn @ np.diag([4.0, 4.0, 5.0, 1.0])


@pytest.mark.parametrize(
    ("affine", "severity", "words"),
    [
        (turned(5), None, ""),
        (turned(20), "note", "turned by 20 degrees"),
        (turned(40), "refuse", "turned by 40 degrees"),
        (np.diag([4.0, 4.0, 45.0, 1.0]), "note", "45 x 4 x 4 mm: 11 to 1"),
        (np.diag([1.0, 1.0, 5.0, 1.0]), "note", "field of view is 220 x 60 x 84 mm"),
    ],
)
def test_how_the_axes_stand(affine, severity, words, tmp_path):
    report = checked(tmp_path, *trunk(), affine)
    found = [one for one in report.findings if one.check == "geometry"]
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert words in "".join(one.what for one in found)


def test_an_unreadable_image_is_a_finding_and_its_label_is_still_looked_at(tmp_path):
    image, label = island(*trunk())
    case = write_case(tmp_path, "anna", image, label)
    known(case.image).write_bytes(known(case.image).read_bytes()[:500])
    report = check_case(case, tmp_path)
    assert said(report) == {("refuse", "files"), ("note", "labels")}
    assert report.findings[0].where == "anna/image.nii.gz"
    case.label.files[0].write_bytes(b"no gzip")
    report = check_case(case, tmp_path)
    assert [one.severity for one in report.findings] == ["refuse", "refuse"]
    assert report.picture is None


def test_an_image_and_label_of_two_grids(tmp_path):
    image, label = trunk()
    case = write_case(tmp_path, "anna", image, label)
    write_image(case.label.files[0], label[:-1])
    report = check_case(case, tmp_path)
    assert said(report) == {("refuse", "labels")}
    assert known(report.picture).axial.grey.any()
    assert not known(report.picture).axial.labels.any()


def test_a_label_map_alone(tmp_path):
    _, label = trunk()
    case = write_case(tmp_path, "anna", None, label)
    report = check_case(case, tmp_path)
    assert report.findings == ()
    assert known(report.picture).axial.labels.any()
    assert not known(report.picture).axial.grey.any()
    swapped = write_case(tmp_path, "bert", None, label[:, :, ::-1])
    assert said(check_case(swapped, tmp_path)) == {("refuse", "sides")}


def test_a_dicom_series_with_a_map_that_runs_the_other_way_is_mended_with_a_note(tmp_path):
    image, label = trunk()
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    write_series(tmp_path / "anna" / "ct", image, affine)
    path = write_image(tmp_path / "anna" / "label.nii.gz", label[::-1], affine)
    case = write_case(tmp_path, "other", None, label)
    labels = LabelMap(path=path, values=VALUES, place="by_hu")
    case = type(case)("anna", "anna", tmp_path / "anna" / "ct", labels, "clinic")
    report = check_case(case, tmp_path)
    mended, *others = report.findings
    assert (mended.severity, mended.check) == ("repair", "files")
    assert "mirrored along" in mended.what
    assert [one.check for one in others] == ["headers"]
    text = repr(report.findings)
    assert "PatientName" in text
    assert not any(value in text for value in PATIENT)
    series = sorted((tmp_path / "anna" / "ct").iterdir())
    assert len(series) == 44
    series[3].unlink()
    assert ("refuse", "files") in said(check_case(case, tmp_path))


@pytest.mark.parametrize(
    ("damage", "refused"),
    [
        (lambda i, x: (i, x), []),
        (lambda i, x: (i, x[::-1]), ["flip"]),
        (lambda i, x: (i[:, :, ::-1], x[:, :, ::-1]), ["sides"]),
        (lambda i, x: (i + 1024, x), ["intensities"]),
        (island, []),
    ],
)
def test_what_preparation_refuses(damage, refused, tmp_path):
    image, label = damage(*trunk())
    case = write_case(tmp_path, "anna", image, label)
    scan = read_image(known(case.image))
    found = refusals_of(scan, case.label.read_with_notes(scan)[0], case.label.annotated)
    assert [one.check for one in found] == refused


def test_an_impossible_size_is_refused(tmp_path):
    image, label = trunk()
    affine = np.diag([20.0, 20.0, 25.0, 1.0])
    report = checked(tmp_path, image, label, affine)
    assert ("refuse", "labels") in said(report)
    patched = write_case(tmp_path, "bert", image, label)
    patch(known(patched.image), (PIXDIM + 4, "<f", 0.0), (QFORM, "<2h", 1, 0))
    assert ("refuse", "files") in said(check_case(patched, tmp_path))


@pytest.mark.parametrize(
    ("shift", "words"), [(0, None), (1024, "1024 HU too high"), (-1024, "1024 HU too low")]
)
def test_offsets_show_without_labels_too(shift, words):
    voxels = CaseVoxels(SPACING, trunk()[0] + np.int16(shift))
    found = [one.what for one in check_intensities(voxels)]
    assert [words in what for what in found] == ([True] if words else [])


def test_the_picture_is_the_slice_that_it_names():
    image, label = trunk()
    picture = picture_of(CaseVoxels(SPACING, image, label), 9)
    for axis, cut in enumerate((picture.axial, picture.coronal)):
        hu = image.take(cut.index, axis)
        assert np.array_equal(cut.grey, ((hu + 160.0) / 400).clip(0, 1).astype("f4") * 255 // 1)
        assert np.array_equal(cut.labels, label.take(cut.index, axis))
    assert (picture.axial.index, picture.axial.spacing_mm) == (9, (4, 4))
    assert picture.coronal.spacing_mm == (5, 4)
    thick = picture_of(CaseVoxels((1.0, 1.0, 1.0), np.zeros((4, 600, 300), np.int16)))
    assert (thick.axial.grey.shape, thick.axial.spacing_mm) == ((200, 150), (3, 2))
