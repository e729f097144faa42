import pytest

from data_pipelines.label_protocols import protocol
from data_pipelines.sources.detect import find_source, read_source
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap


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


def test_a_protocol_says_what_the_values_mean(case_folders, nnunet_folder):
    word = protocol("word")
    (nnunet_folder / "dataset.json").write_text('{"labels": {"1": "1"}}')
    for root in (case_folders, nnunet_folder):
        case = find_source(root, word).manifest.cases[0]
        assert case.label == LabelMap(path=case.label.files[0], values=word.values)
