import numpy as np
import pytest

from tests.voxsiam_dashboards.prepared_cases import truth_of, write_prepared
from voxsiam.errors import UserError
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_dashboards.browser.case_reader import (
    overlay_volumes,
    prepared_volumes,
    stored_window,
    to_grey,
)
from voxsiam_dashboards.store.trial_files import Overlay


def test_grey_values_span_the_window_and_stay_within_it():
    image = np.array([[[-1.0, 0.0, 0.5, 1.0, 2.0, np.nan]]], np.float16)
    assert to_grey(image, 0.0, 1.0).tolist() == [[[0, 0, 128, 255, 255, 0]]]
    assert to_grey(np.ones((1, 1, 2), np.float16), 1.0, 1.0).tolist() == [[[0, 0]]]


def test_a_standardised_image_spans_the_same_window():
    config = PreparationConfig(intensity="standard", mean_hu=50.0, std_hu=100.0)
    assert stored_window(config) == (-2.5, 2.0)
    assert stored_window(PreparationConfig()) == (0.0, 1.0)
    assert stored_window(PreparationConfig(intensity="zscore_volume")) is None


def test_a_prepared_case_is_shown_in_hu(tmp_path):
    prepared = write_prepared(tmp_path / "data", count=1)
    volumes = prepared_volumes(prepared, "000")
    scale = volumes.grey_scale()
    assert (scale.low, scale.high, scale.unit) == (-200.0, 250.0, "HU")
    np.testing.assert_array_equal(volumes.label(), truth_of(0))
    image = prepared.load("000").image
    assert np.abs(volumes.grey() / 255 - image).max() < 0.003


def test_arrays_of_another_shape_than_the_record_says_are_refused(tmp_path):
    prepared = write_prepared(tmp_path / "data", count=1)
    np.save(prepared.folder(prepared.cases[0]) / "label.npy", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(UserError, match="says another shape"):
        prepared_volumes(prepared, "000").label()


def test_an_overlay_is_shown_over_its_own_range_without_a_unit():
    label = np.zeros((1, 1, 3), np.uint8)
    image = np.array([[[-3.0, 0.0, 3.0]]], np.float32)
    volumes = overlay_volumes(Overlay("a", image, label, label, (1.0, 1.0, 1.0)), "run")
    assert volumes.grey().tolist() == [[[0, 128, 255]]]
    assert (volumes.grey_scale().low, volumes.grey_scale().unit) == (-3.0, "")
