import pytest

from tests.nifti_files import label_map, phantom_ct, write_scan
from voxsiam.errors import UserError
from voxsiam_data.sources.detect import find_source
from voxsiam_data.sources.layouts.case_folders import read, recognise


def test_reads_each_folder(case_folders):
    (case_folders / "notes").mkdir()
    (case_folders / ".hidden").mkdir()
    manifest = read(case_folders).manifest
    assert [c.case_id for c in manifest.cases] == ["anna", "bert", "carl"]
    assert manifest.cases[1].image == case_folders / "bert" / "image.nii.gz"
    assert manifest.cases[1].source == "clinic"
    assert manifest.cases[1].label == label_map(case_folders / "bert" / "label.nii.gz")


def test_uncompressed_files(tmp_path):
    image, label = phantom_ct()
    write_scan(tmp_path / "a" / "image.nii", image)
    write_scan(tmp_path / "a" / "label.nii", label)
    assert recognise(tmp_path)
    assert read(tmp_path).manifest.cases[0].label.files[0].name == "label.nii"


@pytest.mark.parametrize("name", ["image", "label"])
def test_half_a_case(case_folders, name):
    (case_folders / "bert" / f"{name}.nii.gz").unlink()
    with pytest.raises(UserError, match=f"no {name}") as caught:
        find_source(case_folders)
    assert caught.value.where == str(case_folders / "bert")
    assert "go on with the 2 good cases" in caught.value.fix
    found = find_source(case_folders, keep_refused=True)
    assert [c.case_id for c in found.manifest.cases] == ["anna", "carl"]
    assert [each.case_id for each in found.refused] == ["bert"]


def test_half_cases_alone(case_folders):
    for name in ("anna", "bert", "carl"):
        (case_folders / name / "label.nii.gz").unlink()
    with pytest.raises(
        UserError, match=r"no label\.nii\.gz\. \(2 other cases are bad too"
    ) as caught:
        find_source(case_folders, keep_refused=True)
    assert "good cases" not in caught.value.fix


def test_names_that_trouble(tmp_path):
    names = ["-rf", "a b", "ünï", "<script>", "n" * 250]
    for name in names:
        for kind, array in zip(("image", "label"), phantom_ct(), strict=True):
            write_scan(tmp_path / name / f"{kind}.nii.gz", array)
    assert {c.case_id for c in read(tmp_path).manifest.cases} == set(names)
