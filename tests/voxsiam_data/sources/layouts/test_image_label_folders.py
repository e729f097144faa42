"""AMOS22, WORD and plain image and label folders: what they share, and what each adds."""

import json
import shutil

import pytest

from tests.source_miniatures import (
    AMOS22_JSON,
    write_amos22,
    write_ct,
    write_flare22,
    write_label,
    write_word,
)
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.labels.protocols import protocol
from voxsiam_data.sources.detect import find_source
from voxsiam_data.sources.layouts import amos22, image_label_folders, word

FLARE22 = protocol("flare22")


def names(found):
    return [case.case_id for case in found.manifest.cases]


def test_amos_without_its_mris(tmp_path):
    found = find_source(write_amos22(tmp_path))
    assert names(found) == ["amos_0001", "amos_0008", "amos_0410"]
    assert {case.source for case in found.manifest.cases} == {"amos22"}
    assert found.notes == ("left out, MRI: 0507",)


def test_amos_in_the_folders_of_nnunet(tmp_path):
    write_ct(tmp_path / "imagesTr", 0, "amos_0001_0000.nii.gz")
    write_label(tmp_path / "labelsTr", "amos_0001.nii.gz", "amos22")
    assert names(find_source(tmp_path)) == ["amos_0001"]


def test_amos_of_mris_alone(tmp_path):
    with pytest.raises(UserError, match="All 1 cases are MRIs"):
        find_source(write_amos22(tmp_path, (507,), ()))


def test_amos_numbers_of_cts_and_mris(tmp_path):
    found = find_source(write_amos22(tmp_path, (500, 501), ()))
    assert (names(found), found.notes) == (["amos_0500"], ("left out, MRI: 0501",))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"0": "background", "6": "liver", "1": "spleen"}, "names value 3 otherwise"),
        (json.loads(AMOS22_JSON)["labels"] | {"6": "stomach", "7": "liver"}, "value 6 otherwise"),
        (json.loads(AMOS22_JSON)["labels"] | {"16": "ignore"}, "'ignore' label"),
        ({"6": ["liver"]}, "not a name and one value"),
        (None, "no table 'labels'"),
    ],
)
def test_amos_with_a_dataset_json_that_says_otherwise(tmp_path, labels, words):
    root = write_amos22(tmp_path)
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(UserError, match=words) as caught:
        find_source(root)
    assert caught.value.where == str(root / "dataset.json")


def test_word_has_three_parts(tmp_path):
    found = find_source(write_word(tmp_path))
    assert names(found) == ["word_0001", "word_0002", "word_0014"]
    assert {case.source for case in found.manifest.cases} == {"word"}
    shutil.rmtree(tmp_path / "labelsTs")
    found = find_source(tmp_path)
    assert names(found) == ["word_0001", "word_0002"]
    assert found.notes == ("imagesTs is left out: there is no labelsTs",)


@pytest.mark.parametrize("folders", [("images", "labels"), ("imagesTr", "labelsTr")])
def test_flare_needs_its_protocol(tmp_path, folders):
    root = write_flare22(tmp_path / "FLARE22")
    for old, new in zip(("images", "labels"), folders, strict=True):
        (root / old).rename(root / new)
    with pytest.raises(UserError, match="Nothing there says") as caught:
        find_source(root)
    assert "flare22" in caught.value.fix
    found = find_source(root, FLARE22)
    assert names(found) == ["FLARE22_Tr_0001", "FLARE22_Tr_0002"]
    case = found.manifest.cases[0]
    assert case.label == LabelMap(path=case.label.files[0], values=FLARE22.values_for())
    assert case.source == "FLARE22"
    assert FLARE22.values_for()[13] == 2


def test_a_case_number_that_looks_like_a_channel(tmp_path):
    write_ct(tmp_path / "images", 0, "ct_0000.nii.gz")
    write_label(tmp_path / "labels", "ct_0000.nii.gz", "word")
    assert names(find_source(tmp_path, protocol("word"))) == ["ct_0000"]


def test_patients_and_boxes_of_plain_folders(tmp_path):
    root = write_flare22(tmp_path)
    cases = [f"FLARE22_Tr_{number:04}" for number in (1, 2)]
    lines = "".join(f"{case},p\n" for case in cases)
    (root / "patients.csv").write_text("case_id,patient_id\n" + lines)
    (root / "crops.csv").write_text(
        f"case_id,i_start,i_stop,j_start,j_stop,k_start,k_stop\n{cases[1]},0,9,0,8,0,7\n"
    )
    found = find_source(root, FLARE22).manifest.cases
    assert [(c.patient_id, c.crop_box) for c in found] == [
        ("p", None),
        ("p", ((0, 9), (0, 8), (0, 7))),
    ]


WRITERS = {
    amos22: (lambda root: write_amos22(root, (1, 2), ()), None, "imagesTr", "labelsTr"),
    word: (write_word, None, "imagesVal", "labelsVal"),
    image_label_folders: (write_flare22, FLARE22, "images", "labels"),
}


def missing_label(images, labels):
    next(labels.iterdir()).unlink()


def missing_image(images, labels):
    next(images.iterdir()).unlink()


def two_forms(images, labels):
    file = next(images.iterdir())
    shutil.copy(file, file.with_suffix(""))


def linked_label(images, labels):
    file = next(labels.iterdir())
    file.symlink_to(file.rename(images.parents[1] / "elsewhere.nii.gz"))


def dead_link(images, labels):
    file = next(images.iterdir())
    file.unlink()
    file.symlink_to("nothing")


BAD = {
    missing_label: "no label map of the same name",
    missing_image: "no scan of the same name",
    two_forms: "the same case as",
    linked_label: "leads out of the data set",
    dead_link: "leads nowhere",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("reader", WRITERS, ids=lambda module: module.__name__.split(".")[-1])
def test_malformed_layouts(tmp_path, reader, spoil):
    write, known, images, labels = WRITERS[reader]
    root = write(tmp_path / "data")
    spoil(root / images, root / labels)
    with pytest.raises(UserError, match=BAD[spoil]) as caught:
        find_source(root, known)
    assert str(root) in caught.value.where


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_amos22, "amos_1.nii.gz"), (write_word, "word_a.nii.gz"), (write_word, "x.nii.gz")],
)
def test_a_stray_file(tmp_path, write, name):
    root = write(tmp_path)
    shutil.copy(next((root / "imagesTr").iterdir()), root / "imagesTr" / name)
    with pytest.raises(UserError, match="not named") as caught:
        find_source(root)
    assert caught.value.where.endswith(name)


def test_the_same_case_in_two_parts(tmp_path):
    root = write_amos22(tmp_path, (1, 8), (8,))
    with pytest.raises(UserError, match=r"the same case as amos_0008\.nii\.gz in .*imagesTr"):
        find_source(root)


@pytest.mark.parametrize("write", [write_amos22, write_word])
def test_another_protocol_is_refused(tmp_path, write):
    with pytest.raises(UserError, match="not 'flare22'"):
        find_source(write(tmp_path), FLARE22)
