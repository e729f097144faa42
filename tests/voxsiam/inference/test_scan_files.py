from pathlib import Path

import numpy as np
import pytest

from tests.dicom_files import write_series, write_slice
from tests.nifti_files import phantom_ct, ras_affine
from voxsiam.errors import UserError
from voxsiam.inference.scan_files import find_inputs, make_folder, result_files
from voxsiam.volumes.volume_file import read_image

PIXELS = np.zeros((4, 4), dtype=np.int16)


@pytest.fixture
def inputs(tmp_path):
    return tmp_path / "inputs"


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "slice":
            write_slice(path, PIXELS, {})
        else:
            path.touch()


def scans_of(source):
    return list(find_inputs(source).scans)


def found(folder):
    return {scan.name: str(scan.path.relative_to(folder)) for scan in scans_of(folder)}


LAYOUTS = {
    "flat": (["b.nii.gz", "a.nii"], {"a": "a.nii", "b": "b.nii.gz"}),
    "nnU-Net": (
        ["ct_01_0000.nii.gz", "ct_02_0000.nii.gz"],
        {"ct_01": "ct_01_0000.nii.gz", "ct_02": "ct_02_0000.nii.gz"},
    ),
    "case folders": (
        ["anna/image.nii.gz", "anna/label.nii.gz", "bert/image.nii"],
        {"anna": "anna/image.nii.gz", "bert": "bert/image.nii"},
    ),
    "series": (["p/slice", "q/slice"], {"p": "p", "q": "q"}),
    "mixed": (
        ["a.nii.gz", "p/slice", "c/image.nii.gz"],
        {"a": "a.nii.gz", "c": "c/image.nii.gz", "p": "p"},
    ),
    "deeper": (
        ["a/ct.nii.gz", "b/ct.nii.gz", "p4/study/series/ct.NII.GZ", "d/e/image.nii.gz"],
        {
            "a/ct": "a/ct.nii.gz",
            "b/ct": "b/ct.nii.gz",
            "d/e": "d/e/image.nii.gz",
            "p4/study/series/ct": "p4/study/series/ct.NII.GZ",
        },
    ),
    "other formats": (
        ["a.nrrd", "b.MHA", "c.mhd", "d.nhdr"],
        {"a": "a.nrrd", "b": "b.MHA", "c": "c.mhd", "d": "d.nhdr"},
    ),
    "a data set": (
        ["dataset.json", "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "imagesTs/b_0000.nii.gz"],
        {"imagesTr/a": "imagesTr/a_0000.nii.gz", "imagesTs/b": "imagesTs/b_0000.nii.gz"},
    ),
    "others are passed over": (
        ["a.nii.gz", ".b.nii.gz", "notes.txt", "empty/x.txt", ".hidden/image.nii.gz"],
        {"a": "a.nii.gz"},
    ),
    "odd names": (
        ["ü ß.nii.gz", "v1.2.nii.gz", "x_0001.nii.gz"],
        {"ü ß": "ü ß.nii.gz", "v1.2": "v1.2.nii.gz", "x_0001": "x_0001.nii.gz"},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(inputs, name):
    files, expected = LAYOUTS[name]
    touch(inputs, *files)
    assert found(inputs) == expected


def unused(folder, *patterns):
    found = find_inputs(folder, folder / "out", patterns).unused
    return {str(one.path): one.is_lost for one in found}


def test_what_is_not_segmented_is_named(inputs):
    touch(inputs, "a.nii.gz", "x.hdr", "x.img", "labelsTr/a.nii.gz", "c/image.nii.gz")
    touch(inputs, "c/label.nii.gz", "c/other.nii.gz", "s/segmentations/liver.nii.gz", "s/ct.nii.gz")
    touch(inputs, "p/slice", "p/scan.nii.gz", "out/a.nii.gz", "notes.txt", ".hidden/b.nii.gz")
    (inputs / "gone.nii.gz").symlink_to("nowhere")
    (inputs / "loop").symlink_to(inputs)
    lost = {"x.hdr", "c/other.nii.gz", "p/scan.nii.gz", "gone.nii.gz"}
    labels = {"labelsTr/a.nii.gz", "c/label.nii.gz", "s/segmentations/liver.nii.gz"}
    assert unused(inputs) == dict.fromkeys(lost, True) | dict.fromkeys(labels, False)
    assert unused(inputs, "x.*", "c/other*", "p/scan*", "gone*") == dict.fromkeys(labels, False)


def test_a_series_spread_over_folders_is_one_scan(inputs):
    """Each half alone holds half a liver."""
    image, affine = phantom_ct((7, 6, 8))[0], ras_affine((0.7, 0.8, 3.0))
    volume = image.transpose(2, 1, 0)
    for path in write_series(inputs / "all", volume, affine):
        half = inputs / ("study/a" if int(path.name[2:]) < 4 else "study/deep/b")
        half.mkdir(parents=True, exist_ok=True)
        path.rename(half / path.name)
    (inputs / "all").rmdir()
    write_series(inputs / "other", volume, affine, uid="1.2.3")
    found = {scan.name: scan for scan in scans_of(inputs)}
    assert sorted(found) == ["other", "study/a+deep-b"]
    spread = found["study/a+deep-b"]
    scan = read_image(spread.path, parts=spread.parts)
    np.testing.assert_array_equal(scan.array, image)


def test_ten_thousand_files_that_are_no_scans(inputs):
    touch(inputs, "a.nii.gz", *(f"pictures/{number}.png" for number in range(10_000)))
    assert unused(inputs) == {}


def test_a_single_file_or_series_is_one_scan(inputs):
    touch(inputs, "ct_0000.nii.gz", "p/slice")
    (only,) = scans_of(inputs / "ct_0000.nii.gz")
    assert only.name == "ct"
    (only,) = scans_of(inputs / "p")
    assert (only.name, only.path) == ("p", inputs / "p")


def test_a_series_in_the_current_folder_has_its_name(inputs, monkeypatch):
    touch(inputs, "slice")
    monkeypatch.chdir(inputs)
    assert [scan.name for scan in scans_of(Path())] == ["inputs"]


BAD_INPUTS = {
    "absent": ([], "does not exist"),
    "empty": (["notes.txt"], "holds no scan"),
    "both": (["slice", "a.nii.gz"], "both DICOM slices and NIfTI"),
    "two of a name": (["a.nii.gz", "a_0000.nii.gz"], "Two inputs would give the result 'a'"),
    "file and folder": (["a.nii.gz", "a/image.nii.gz"], "Two inputs"),
    "channels": (["a_0000.nii.gz", "a_0001.nii.gz"], "'a_0001' is a second channel"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_inputs(inputs, name):
    files, words = BAD_INPUTS[name]
    touch(inputs, *files)
    with pytest.raises(UserError, match=words) as caught:
        scans_of(inputs)
    assert caught.value.where == str(inputs)


def results(folder, output):
    return [r.label for r in result_files(scans_of(folder), folder, output)]


def test_results_of_a_folder_go_to_a_folder(inputs, tmp_path):
    touch(inputs, "a_0000.nii.gz", "p/slice")
    assert results(inputs, tmp_path / "out") == [
        tmp_path / "out" / "a.nii.gz",
        tmp_path / "out" / "p.nii.gz",
    ]


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_a_single_scan_may_go_to_a_file(inputs, tmp_path, ending):
    touch(inputs, "a.nii.gz")
    for source in (inputs / "a.nii.gz", inputs):
        output = tmp_path / f"deep/organs{ending}"
        (only,) = result_files(scans_of(source), source, output)
        assert only.label == output
        assert only.probabilities == tmp_path / f"deep/organs_probabilities{ending}"
        assert results(source, tmp_path / "deep") == [tmp_path / "deep/a.nii.gz"]


def test_no_input_is_overwritten(inputs, tmp_path):
    touch(inputs, "a.nii.gz", "b_0000.nii.gz")
    (tmp_path / "link").symlink_to(inputs)
    one = inputs / "a.nii.gz"
    for source, output in (
        (inputs, inputs),
        (inputs, tmp_path / "link"),
        (one, one),
        (one, inputs),
        (one, inputs / ".." / "inputs" / "a.nii.gz"),
        (one, tmp_path / "link" / "a.nii.gz"),
    ):
        with pytest.raises(UserError, match=r"overwritten|among the inputs"):
            results(source, output)


def test_results_do_not_lie_among_the_inputs(inputs, tmp_path):
    """They would be the inputs of the next call."""
    touch(inputs, "b_0000.nii.gz")
    (tmp_path / "link").symlink_to(inputs)
    for output in (inputs, tmp_path / "link"):
        with pytest.raises(UserError, match="among the inputs"):
            results(inputs, output)


def test_probabilities_overwrite_no_input_either(inputs):
    touch(inputs, "a_probabilities.nii.gz")
    source = inputs / "a_probabilities.nii.gz"
    with pytest.raises(UserError, match="overwritten"):
        results(source, inputs / "a.nii.gz")


def test_many_scans_need_a_folder(inputs, tmp_path):
    touch(inputs, "a.nii.gz", "b.nii.gz")
    with pytest.raises(UserError, match="holds 2 scans, the output is one file"):
        results(inputs, tmp_path / "out.nii.gz")


def test_missing_folders_are_made_and_unwritable_ones_refused(tmp_path):
    make_folder(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        make_folder(tmp_path / "file" / "b")
    with pytest.raises(UserError, match="cannot be written"):
        make_folder(tmp_path / "file")
