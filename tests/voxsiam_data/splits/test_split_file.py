import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voxsiam_data.splits.items import some_cases
from voxsiam.errors import UserError
from voxsiam.types import Split
from voxsiam_data.splits.folds import fold_cases
from voxsiam_data.splits.split_file import read_one_split, read_splits, write_splits

FIXED = Split(train=("a", "b, the second", "ü"), validation=("c",), test=("d", "=e"))


def test_one_split_as_a_table(tmp_path):
    path = tmp_path / "deep" / "split.csv"
    write_splits(path, [FIXED])
    first, second, third = path.read_text().splitlines()[:3]
    assert (first, second) == ("fold,case_id,side", "0,a,train")
    assert third == '0,"b, the second",train'
    assert {side: set(ids) for side, ids in read_one_split(path)} == {
        side: set(ids) for side, ids in FIXED
    }


def test_a_list_by_hand_needs_two_columns(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("side,case_id\ntrain,b\ntest,c\ntrain,a\n")
    assert read_one_split(path) == Split(train=("a", "b"), test=("c",))


@settings(max_examples=30, deadline=None)
@given(cases=some_cases(min_patients=4), validation=st.sampled_from([0.0, 0.3]))
def test_folds_survive_both_forms(tmp_path_factory, cases, validation):
    folder = tmp_path_factory.mktemp("splits")
    drawn = fold_cases(cases, folds=4, validation_fraction=validation, seed=0)
    write_splits(folder / "folds.csv", drawn)
    assert read_splits(folder / "folds.csv") == drawn
    write_splits(folder / "splits_final.json", drawn)
    read = read_splits(folder / "splits_final.json")
    assert [split.test for split in read] == [split.test for split in drawn]
    # nnU-Net has no third side: ours trains there.
    assert [list(split.train) for split in read] == [
        sorted((*split.train, *split.validation)) for split in drawn
    ]
    write_splits(folder / "again.json", read)
    assert (folder / "again.json").read_bytes() == (folder / "splits_final.json").read_bytes()


def test_nnunets_own_form(tmp_path):
    path = tmp_path / "splits_final.json"
    path.write_text(
        json.dumps([{"train": ["b", "a"], "val": ["c"]}, {"train": ["c"], "val": ["a"]}])
    )
    assert read_splits(path) == (
        Split(train=("a", "b"), test=("c",)),
        Split(train=("c",), test=("a",)),
    )
    with pytest.raises(UserError, match="holds 2 folds") as caught:
        read_one_split(path)
    assert "--fold 0" in caught.value.fix


def test_a_list_test_is_the_test_and_val_the_validation(tmp_path):
    """Dropped, its cases were trained on or tested as nobody meant."""
    path = tmp_path / "splits.json"
    path.write_text(json.dumps([{"train": ["b", "a"], "val": ["d", "c"], "test": ["e"]}]))
    assert read_one_split(path) == Split(train=("a", "b"), validation=("c", "d"), test=("e",))


BAD_FILES = {
    "absent.csv": (None, "does not exist"),
    "absent.json": (None, "cannot be read"),
    "empty.csv": ("", "lacks the column 'case_id'"),
    "header.csv": ("case_id,side\n", "The folds are"),
    "side.csv": ("case_id,side\na,trian\n", "Line 2 names the side 'trian'"),
    "twice.csv": ("case_id,side\na,train\na,test\n", "Line 3 lists 'a' again"),
    "same side.csv": ("case_id,side\na,train\na,train\nb,test\n", "Line 3 lists 'a' again"),
    "blank.csv": ("case_id,side\n,train\n", "leaves a column empty"),
    "no test.csv": ("case_id,side\na,train\n", "no case is on the side 'test'"),
    "no train.csv": ("case_id,side\na,test\n", "no case is on the side 'train'"),
    "fold.csv": ("fold,case_id,side\n-1,a,train\n", "names the fold '-1'"),
    "huge fold.csv": (f"fold,case_id,side\n{'9' * 5000},a,train\n", "names the fold"),
    "gap.csv": ("fold,case_id,side\n1,a,train\n1,b,test\n", r"The folds are \[1\]"),
    "binary.csv": (b"\xff\xfe\0", "UTF-8"),
    "no.json": ("{", "not JSON"),
    "object.json": ("{}", "no list of folds"),
    "empty.json": ("[]", "no list of folds"),
    "number.json": ("[1]", "Fold 0 is no table"),
    "no val.json": ('[{"train": ["a"]}]', "Fold 0 has no list 'val'"),
    "other list.json": (
        '[{"train": ["a"], "val": ["b"], "holdout": ["c"]}]',
        "list 'holdout', which is none of train, val, test",
    ),
    "empty test.json": ('[{"train": ["a"], "val": ["b"], "test": []}]', "on the side 'test'"),
    "bad test.json": ('[{"train": ["a"], "val": ["b"], "test": "c"}]', "no list 'test' of names"),
    "numbers.json": ('[{"train": [1], "val": ["a"]}]', "no list 'train' of names"),
    "twice.json": ('[{"train": ["a", "a"], "val": ["b"]}]', "twice under 'train'"),
    "no cases.json": ('[{"train": ["a"], "val": []}]', "no case is on the side 'test'"),
    "nested.json": ("[" * 100_000, "not JSON"),
    "huge.json": (" " * (16 * 2**20 + 1), "larger than 16 MiB"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(tmp_path, name):
    content, words = BAD_FILES[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=words) as caught:
        read_splits(path)
    assert caught.value.where == str(path)
    assert caught.value.fix


class Gadget:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


def test_a_pickle_of_nnunet_1_is_not_opened(tmp_path):
    path = tmp_path / "splits_final.pkl"
    path.write_bytes(pickle.dumps(Gadget()))
    with pytest.raises(UserError, match="can run any program"):
        read_splits(path)


@pytest.mark.parametrize(
    ("name", "words"), [("split.txt", "not clear"), ("file/split.csv", "cannot be written")]
)
def test_places_that_cannot_be_written(tmp_path, name, words):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=words):
        write_splits(tmp_path / name, [FIXED])
