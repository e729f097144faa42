"""No two threads let numpy take a header apart: before Python 3.11.8 they disturb each other."""

import ast

import numpy as np
import pytest

from tests.voxsiam_dashboards.prepared_cases import write_prepared
from tests.voxsiam_data.prepared.test_entries import volume
from voxsiam.array_headers import HEADERS
from voxsiam_dashboards.store.trial_files import read_features, read_overlay, read_prediction
from voxsiam_data.prepared.entries import read_native_label, write_entry
from voxsiam_data.prepared.prepared_set import read_arrays

VOXELS = np.zeros((2, 3, 4), np.uint8)


@pytest.fixture
def read_alone(monkeypatch):
    """Count the headers that are taken apart, each of which must be alone."""
    parse, seen = ast.literal_eval, []

    def watched(text):
        assert HEADERS.locked()
        seen.append(text)
        return parse(text)

    monkeypatch.setattr(ast, "literal_eval", watched)
    yield seen
    assert seen
    assert not HEADERS.locked()


def test_of_an_overlay(tmp_path, read_alone):
    arrays = {"image": VOXELS.astype(np.float16), "label": VOXELS, "prediction": VOXELS}
    np.savez(tmp_path / "o.npz", **arrays, spacing_mm=np.ones(3), case_id=np.array("a"))
    assert read_overlay(tmp_path / "o.npz").case_id == "a"
    assert len(read_alone) == 5


def test_of_a_prediction(tmp_path, read_alone):
    np.savez(tmp_path / "p.npz", case_ids=np.array(["a"]), prediction_0=VOXELS)
    assert read_prediction(tmp_path / "p.npz", "a").shape == (2, 3, 4)
    assert len(read_alone) == 2


def test_of_features(tmp_path, read_alone):
    level = {"features": np.zeros((1, 2)), "classes": np.zeros(1), "cases": np.zeros(1)}
    named = {f"level_1_{name}": array for name, array in level.items()}
    np.savez(tmp_path / "f.npz", case_ids=np.array(["a"]), **named)
    assert read_features(tmp_path / "f.npz").case_ids == ("a",)
    assert len(read_alone) == 4


def test_of_a_prepared_volume(tmp_path, read_alone):
    facts = write_entry(tmp_path, "0" * 16, volume())
    assert read_native_label(tmp_path / ("0" * 16), facts.native_shape).shape == (32, 48, 64)
    assert len(read_alone) == 1
    prepared = write_prepared(tmp_path / "set", 1)
    (case,) = prepared.cases
    read_arrays(prepared.folder(case), case)
    assert len(read_alone) > 2
