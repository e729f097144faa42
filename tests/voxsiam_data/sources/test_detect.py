import shutil

import pytest

from tests.small_data_sets import write_case_folders, write_nnunet
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.labels.protocols import protocol
from voxsiam_data.sources.detect import find_source, read_source


def test_chooses_the_reader(case_folders, nnunet_folder):
    assert len(read_source(case_folders).cases) == 3
    assert len(read_source(nnunet_folder).cases) == 2


def test_paths_are_absolute(case_folders, monkeypatch):
    monkeypatch.chdir(case_folders.parent)
    manifest = read_source(case_folders.relative_to(case_folders.parent))
    assert all(
        file.is_absolute() for c in manifest.cases for file in (c.image, *c.label.files) if file
    )


def test_unknown_layout_says_which_are_known(tmp_path):
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(UserError, match="not a data set") as caught:
        read_source(tmp_path)
    assert "labelsTr" in caught.value.fix
    assert "<case>/image.nii.gz" in caught.value.fix


def test_absent_file_and_loop(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path in (tmp_path / "absent", file, loop, tmp_path / "a\0b"):
        with pytest.raises(UserError) as caught:
            read_source(path)
        assert caught.value.where == str(path)


def renamed(path, name):
    return path.rename(path.with_name(name))


def test_names_that_are_not_utf8(case_folders, nnunet_folder):
    case = renamed(case_folders / "bert", "b\udce4rt")
    scan = renamed(nnunet_folder / "imagesTr" / "ct_001_0000.nii.gz", "ct_\udce4_0000.nii.gz")
    renamed(nnunet_folder / "labelsTr" / "ct_001.nii.gz", "ct_\udce4.nii.gz")
    for root, kind, bad in ((case_folders, "folder", case), (nnunet_folder, "file", scan)):
        with pytest.raises(UserError, match=f"name of the {kind} is not UTF-8") as caught:
            read_source(root)
        assert caught.value.where == repr(str(bad))
        assert caught.value.fix == "rename it"
    root = renamed(nnunet_folder, "\udcff")
    with pytest.raises(UserError, match="name of the folder is not UTF-8") as caught:
        read_source(root)
    assert caught.value.where == repr(str(root))


def test_a_protocol_says_what_the_values_mean(case_folders, nnunet_folder):
    word = protocol("word")
    (nnunet_folder / "dataset.json").write_text('{"labels": {"1": "1"}}')
    for root in (case_folders, nnunet_folder):
        case = find_source(root, word).manifest.cases[0]
        assert case.label == LabelMap(path=case.label.files[0], values=word.values_for())


def refusal(path):
    with pytest.raises(UserError) as caught:
        find_source(path)
    return caught.value


def test_an_empty_folder(tmp_path):
    assert refusal(tmp_path).what == "The folder is empty."
    (tmp_path / "file").write_text("x")
    assert "not a folder" in refusal(tmp_path / "file").what


def test_the_parent_of_data_sets_lists_them(tmp_path):
    write_nnunet(tmp_path / "raw" / "Dataset001")
    write_case_folders(tmp_path / "clinic")
    error = refusal(tmp_path)
    assert error.what.endswith("holds 2: clinic, raw/Dataset001.")
    assert str(tmp_path / "clinic") in error.fix
    for number in range(9):
        (tmp_path / f"more{number}").mkdir()
        shutil.copytree(tmp_path / "clinic", tmp_path / f"more{number}" / "set")
    assert refusal(tmp_path).what.endswith(" and 3 more.")
