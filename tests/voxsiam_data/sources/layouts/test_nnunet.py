import json

import pytest

from tests.nifti_files import label_map
from tests.small_data_sets import write_nnunet
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam_data.labels.protocols import protocol
from voxsiam_data.sources.detect import find_source
from voxsiam_data.sources.layouts.nnunet import read

OURS = {value: value for value in range(9)}


def describe(root, **changes):
    path = root / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return root


def values_of(found):
    label = found.manifest.cases[0].label
    assert isinstance(label, LabelMap)
    return label.values


def test_nnunet_v2(nnunet_folder):
    manifest = read(nnunet_folder).manifest
    assert [c.case_id for c in manifest.cases] == ["ct_001", "ct_002"]
    first = manifest.cases[0]
    assert first.image == nnunet_folder / "imagesTr" / "ct_001_0000.nii.gz"
    assert first.label == label_map(nnunet_folder / "labelsTr" / "ct_001.nii.gz")
    assert (first.patient_id, first.source) == ("ct_001", "Dataset001_Abdomen")


def test_decathlon(tmp_path):
    labels = {"0": "background", "1": "liver", "2": "cancer", "7": "spleen"}
    root = write_nnunet(tmp_path / "Task03", suffix="", labels=labels)
    describe(
        root,
        training=[{"image": "./imagesTr/ct_001.nii.gz", "label": "./labelsTr/ct_001.nii.gz"}],
    )
    (root / "imagesTr" / "._ct_001.nii.gz").write_bytes(b"left by another system")
    found = read(root, organs="paper")
    manifest = found.manifest
    assert found.notes[0] == "label 'cancer' (2) is none of the eight organs: background"
    assert found.notes[1].startswith("voxels of 'cancer' (2) are cut out of the organ they lie in")
    label = root / "labelsTr" / "ct_001.nii.gz"
    assert manifest.cases[0].label == LabelMap(path=label, values={0: 0, 1: 5, 2: 0, 7: 1})
    whole = read(root)
    assert (whole.notes, whole.manifest.organs) == ((), ("liver", "cancer", "spleen"))
    assert values_of(whole) == {0: 0, 1: 1, 2: 2, 7: 3}
    assert [c.case_id for c in manifest.cases] == ["ct_001", "ct_002"]


def test_case_number_of_four_digits_is_no_channel(tmp_path):
    root = write_nnunet(tmp_path / "amos", ("amos_0001", "amos_0004"), suffix="")
    assert [c.case_id for c in read(root).manifest.cases] == ["amos_0001", "amos_0004"]


def test_background_need_not_be_named(nnunet_folder):
    found = read(describe(nnunet_folder, labels={"liver": 3}))
    assert values_of(found) == {3: 1, 0: 0}


def test_what_becomes_background_is_told(nnunet_folder):
    names = {"background": 0, "liver": 1, "kidney": 2, "x": 3}
    found = find_source(describe(nnunet_folder, labels=names), organs="paper")
    assert found.notes == ("labels 'kidney' (2), 'x' (3) are none of the eight organs: background",)
    described = find_source(nnunet_folder, protocol("voxsiam"))
    assert described.notes == ()


def test_a_tumour_may_be_counted_as_its_organ(nnunet_folder):
    labels = {"0": "background", "1": "liver", "2": "liver", "3": "spleen"}
    describe(nnunet_folder, labels=labels)
    assert values_of(read(nnunet_folder)) == {0: 0, 1: 1, 2: 1, 3: 2}
    assert values_of(read(nnunet_folder, organs="paper")) == {0: 0, 1: 5, 2: 5, 3: 1}


BAD_LABELS = {
    "misspelt": ({"liver": 1, "spleeen": 2}, "'spleeen' is none of the eight organs, but nearly"),
    "absent": (None, "no table"),
    "a list": (["liver"], "no table"),
    "empty": ({}, "names no organ"),
    "background alone": ({"background": 0}, "names no organ"),
    "without a name": ({"liver": 1, "": 2}, "has no name"),
    "without a letter": ({"liver": 1, "--": 2}, "has no name"),
    "a novel": ({"liver": 1, "x" * 81: 2}, "has 81 letters"),
    "too many": ({f"organ {n}": n for n in range(256)}, "255 organs and the background are more"),
    "regions": ({"liver": [1, 2]}, "not a name and one value"),
    "true": ({"liver": True}, "not a name and one value"),
    "fraction": ({"liver": 1.5}, "not a name and one value"),
    "null": ({"liver": None}, "not a name and one value"),
    "name for a name": ({"liver": "one"}, "not a name and one value"),
    "huge number": ({"9" * 5000: "liver"}, "not a name and one value"),
    "negative": ({"liver": -1}, "has value -1"),
    "too large": ({"liver": 10**30}, "has value 1000"),
    "ignore": ({"liver": 1, "ignore": 2}, "ignore"),
    "organ at 0": ({"liver": 0}, "Value 0"),
    "same value twice": ({"liver": 1, "spleen": 1}, "the same value"),
    "same organ twice": ({"left kidney": 1, "kidney_left": 2}, "the same organ"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels(nnunet_folder, name):
    labels, words = BAD_LABELS[name]
    describe(nnunet_folder, labels=labels)
    with pytest.raises(UserError, match=words) as caught:
        read(nnunet_folder)
    assert caught.value.where == str(nnunet_folder / "dataset.json")
    assert len(str(caught.value)) < 600


BAD_FILES = {
    "not JSON": b"{",
    "a list": b"[]",
    "not text": b"\xff\xfe\x00",
    "nested": b"[" * 100_000,
    "huge": b" " * (16 * 2**20 + 1),
    "empty": b"",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_dataset_json(nnunet_folder, name):
    (nnunet_folder / "dataset.json").write_bytes(BAD_FILES[name])
    with pytest.raises(UserError) as caught:
        read(nnunet_folder)
    assert caught.value.where == str(nnunet_folder / "dataset.json")


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ([{"image": "../secret.nii.gz"}], "leads out"),
        ([{"image": "imagesTr/../../secret.nii.gz"}], "leads out"),
        ([{"image": "/etc/passwd"}], "leads out"),
        ([{"image": 3}], "not a path"),
        (["a\0b"], "not a path"),
        ("imagesTr", "not a list"),
    ],
)
def test_bad_list_of_files(nnunet_folder, training, words):
    with pytest.raises(UserError, match=words):
        read(describe(nnunet_folder, training=training))


def test_other_contradictions(nnunet_folder):
    with pytest.raises(UserError, match="numTraining is 3, but imagesTr holds 2"):
        read(describe(nnunet_folder, numTraining=3))
    with pytest.raises(UserError, match="files of its own"):
        read(describe(nnunet_folder, numTraining=2, dataset={}))


def remove_label(root):
    (root / "labelsTr" / "ct_002.nii.gz").unlink()


def remove_image(root):
    (root / "imagesTr" / "ct_002_0000.nii.gz").unlink()


def list_another(root):
    describe(root, training=[{"image": "imagesTr/more.nii.gz", "label": "labelsTr/more.nii.gz"}])


@pytest.mark.parametrize(
    ("spoil", "words", "case_id", "good"),
    [
        (remove_label, "The image has no label map", "ct_002", 1),
        (remove_image, "The label map has no image", "ct_002", 1),
        (list_another, r"imagesTr/more\.nii\.gz' is absent", "more", 2),
    ],
)
def test_a_case_without_a_file(nnunet_folder, spoil, words, case_id, good):
    spoil(nnunet_folder)
    with pytest.raises(UserError, match=words) as caught:
        find_source(nnunet_folder)
    assert case_id in caught.value.where
    found = find_source(nnunet_folder, keep_refused=True)
    assert [each.case_id for each in found.refused] == [case_id]
    assert len(found.manifest.cases) == good


def test_second_channel(nnunet_folder):
    image = nnunet_folder / "imagesTr" / "ct_001_0000.nii.gz"
    image.with_name("ct_001_0001.nii.gz").write_bytes(image.read_bytes())
    with pytest.raises(UserError, match="more than one image"):
        read(nnunet_folder)


def test_no_images(nnunet_folder):
    for file in (nnunet_folder / "imagesTr").iterdir():
        file.unlink()
    describe(nnunet_folder, numTraining=0)
    with pytest.raises(UserError, match="no cases"):
        read(nnunet_folder)


def test_a_name_that_occurs_twice_is_refused(nnunet_folder):
    path = nnunet_folder / "dataset.json"
    path.write_text(
        path.read_text().replace('"labels"', '"labels": {"background": 0}, "labels"', 1)
    )
    with pytest.raises(UserError, match="'labels' occurs twice"):
        read(nnunet_folder)
