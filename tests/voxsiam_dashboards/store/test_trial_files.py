import io
import math
import pickle

import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam_dashboards.store.trial_files import (
    SCORE_COLUMNS,
    read_cases,
    read_features,
    read_object,
    read_overlay,
    read_prediction,
)

GOOD = {
    "image": np.zeros((2, 3, 4), np.float16),
    "label": np.zeros((2, 3, 4), np.uint8),
    "prediction": np.zeros((2, 3, 4), np.uint8),
    "spacing_mm": np.array([1.0, 2.0, 3.0]),
    "case_id": np.array("a"),
}


class Gadget:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code ran')",))


def test_names_that_look_like_numbers_or_gaps_stay_names(tmp_path):
    file = tmp_path / "cases.csv"
    lines = [",".join(SCORE_COLUMNS)]
    names = ("0012", "nan", "NA")
    lines += [f"{name},liver,0.5,,nan,1,1,10,0,True,0.25,nan,,20,5,False" for name in names]
    file.write_text("\n".join(lines))
    cases = read_cases(file)
    assert tuple(cases.columns) == SCORE_COLUMNS
    assert list(cases["case_id"]) == ["0012", "nan", "NA"]
    for empty in ("hd95_grid", "assd_grid", "hd95_mm_native", "assd_mm_native"):
        assert all(math.isnan(value) for value in cases[empty])
    assert list(cases["missed"]) == [True, True, True]
    assert list(cases["dsc_native"]) == [0.25] * 3
    assert list(cases["missed_native"]) == [False] * 3


@pytest.mark.parametrize(
    "content",
    [
        "",
        "case_id,organ\na,liver\n",
        "\x00\xff",
        ",".join(SCORE_COLUMNS[1:]),
        ",".join(SCORE_COLUMNS[:-1]),
    ],
)
def test_foreign_tables_are_refused(tmp_path, content):
    file = tmp_path / "cases.csv"
    file.write_text(content)
    with pytest.raises(UserError, match=r"cases\.csv cannot be used"):
        read_cases(file)


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000, "\udcff"])
def test_foreign_json_is_refused(tmp_path, content):
    file = tmp_path / "plan.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"plan\.json cannot be used"):
        read_object(file)


@pytest.mark.parametrize(
    "change",
    [
        {"label": np.zeros((2, 3, 5), np.uint8)},
        {"image": np.zeros((3, 4), np.float16)},
        {"spacing_mm": np.array([1.0, 2.0])},
        {"spacing_mm": np.array([1.0, 0.0, 2.0])},
        {"spacing_mm": np.array([1.0, np.nan, 2.0])},
        {"label": np.array([Gadget()], dtype=object)},
    ],
    ids=["shape", "flat", "two", "zero", "nan", "code"],
)
def test_overlays_that_do_not_fit_are_refused(tmp_path, change):
    file = tmp_path / "overlay.npz"
    np.savez(file, **(GOOD | change))
    with pytest.raises(UserError, match=r"overlay\.npz cannot be used"):
        read_overlay(file)


def test_a_pickle_or_a_cut_off_overlay_is_refused(tmp_path):
    file = tmp_path / "overlay.npz"
    whole = io.BytesIO()
    np.savez_compressed(whole, **GOOD)
    cut, flipped = whole.getvalue()[:200], bytearray(whole.getvalue())
    flipped[60] ^= 0xFF
    for content in (pickle.dumps(Gadget()), cut, flipped, b""):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"overlay\.npz cannot be used"):
            read_overlay(file)


def test_a_good_overlay_is_read(tmp_path):
    np.savez(tmp_path / "overlay.npz", **GOOD)
    overlay = read_overlay(tmp_path / "overlay.npz")
    assert (overlay.case_id, overlay.spacing_mm) == ("a", (1.0, 2.0, 3.0))


VOXELS = {
    "case_ids": np.array(["a", "b"]),
    "level_1_features": np.ones((3, 4), np.float16),
    "level_1_classes": np.array([0, 8, 1], np.uint8),
    "level_1_cases": np.array([0, 1, 1], np.int32),
}


def test_good_features_are_read(tmp_path):
    np.savez(tmp_path / "features.npz", **VOXELS)
    features = read_features(tmp_path / "features.npz")
    assert features.case_ids == ("a", "b")
    (level,) = features.levels
    assert level.classes.tolist() == [0, 8, 1]
    assert level.cases.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"level_1_classes": np.array([0, 9, 1], np.uint8)},
        {"level_1_classes": np.array([0, 1], np.uint8)},
        {"level_1_cases": np.array([0, 1, 2], np.int32)},
        {"level_1_cases": np.array([0, -1, 1], np.int32)},
        {"level_1_features": np.full((3, 4), np.nan, np.float16)},
        {"level_1_features": np.ones(3, np.float16)},
        {"level_1_features": np.array([Gadget()] * 3, dtype=object)},
        {"level_2_features": np.ones((3, 4), np.float16)},
    ],
    ids=["class", "count", "case", "negative", "nan", "flat", "code", "half a level"],
)
def test_features_that_do_not_fit_are_refused(tmp_path, change):
    file = tmp_path / "features.npz"
    np.savez(file, **(VOXELS | change))
    with pytest.raises(UserError, match=r"features\.npz cannot be used"):
        read_features(file)


def test_a_pickle_instead_of_features_is_refused(tmp_path):
    file = tmp_path / "features.npz"
    file.write_bytes(pickle.dumps(Gadget()))
    with pytest.raises(UserError, match=r"features\.npz cannot be used"):
        read_features(file)


PREDICTED = {
    "case_ids": np.array(["a", "../b"]),
    "prediction_0": np.zeros((2, 3, 4), np.uint8),
    "prediction_1": np.full((2, 3, 4), 8, np.uint8),
}


def test_the_prediction_of_one_case_is_read_without_the_others(tmp_path):
    file = tmp_path / "predictions.npz"
    change: dict = {"prediction_0": np.array([Gadget()], dtype=object)}
    np.savez_compressed(file, **(PREDICTED | change))
    assert (read_prediction(file, "../b") == 8).all()
    with pytest.raises(UserError, match=r"predictions\.npz cannot be used"):
        read_prediction(file, "a")


@pytest.mark.parametrize(
    "change",
    [
        {"case_ids": np.array(["b", "c"])},
        {"case_ids": np.array("a")},
        {"case_ids": np.array(["b", "c", "a"])},
        {"case_ids": np.array([Gadget()], dtype=object)},
        {"prediction_0": np.zeros((3, 4), np.uint8)},
        {"prediction_0": np.zeros((0, 3, 4), np.uint8)},
        {"prediction_0": np.zeros((2, 3, 4), np.float32)},
        {"prediction_0": np.full((2, 3, 4), 9, np.uint8)},
        {"prediction_0": np.zeros((257, 1024, 1024), np.uint8)},
    ],
    ids=["absent", "no list", "lost", "code", "flat", "empty", "float", "organ", "large"],
)
def test_predictions_that_do_not_fit_are_refused(tmp_path, change):
    file = tmp_path / "predictions.npz"
    np.savez_compressed(file, **(PREDICTED | change))
    with pytest.raises(UserError, match=r"predictions\.npz cannot be used"):
        read_prediction(file, "a")


def test_a_pickle_or_a_cut_off_file_of_predictions_is_refused(tmp_path):
    file = tmp_path / "predictions.npz"
    whole = io.BytesIO()
    np.savez_compressed(whole, **PREDICTED)
    for content in (pickle.dumps(Gadget()), whole.getvalue()[:200], b""):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"predictions\.npz cannot be used"):
            read_prediction(file, "a")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("liver", "soul"), "'soul' is none of the organs"),
        (lambda text: text.replace("liver", ""), "'' is none of the organs"),
        (lambda text: text.replace("0.5", "half"), "no number"),
        (lambda text: "," * 2000 + "\n" + text, "columns"),
        (lambda text: text + "," * 1_000_001, "cells"),
    ],
)
def test_scores_of_what_is_no_organ_or_no_number_are_refused(tmp_path, change, words):
    path = tmp_path / "cases.csv"
    values = {"case_id": "0012", "organ": "liver", "missed": "False", "missed_native": "False"}
    header = ",".join(SCORE_COLUMNS)
    line = ",".join(values.get(name, "0.5") for name in SCORE_COLUMNS)
    path.write_text(f"{header}\n{line}\n")
    assert list(read_cases(path)["organ"]) == ["liver"]
    path.write_text(change(f"{header}\n{line}\n"))
    with pytest.raises(UserError, match=words):
        read_cases(path)
