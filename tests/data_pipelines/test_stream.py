import numpy as np
import pytest
import ray

from data_pipelines.prepare import prepare
from data_pipelines.stream import share_volumes, volume_bytes
from voxsiam.errors import UserError


@pytest.fixture
def prepared(ray_instance, case_folders, small_config, tmp_path):
    return prepare(case_folders, tmp_path / "prepared", small_config)


@ray.remote
def read_elsewhere(volumes, case_id):
    volume = volumes(case_id)
    return volume.image, volume.label, volume.spacing_mm


def test_every_case_is_shared_as_it_was_prepared(prepared):
    volumes = share_volumes(prepared)
    assert set(volumes.blocks) == {case.case_id for case in prepared.cases}
    for case in prepared.cases:
        expected = prepared.load(case.case_id)
        image, label, spacing_mm = ray.get(read_elsewhere.remote(volumes, case.case_id))
        assert np.array_equal(image, expected.image.astype(np.float16))
        assert np.array_equal(label, expected.label)
        assert spacing_mm == expected.spacing_mm


@ray.remote
def native_elsewhere(volumes, case_id):
    return volumes.native(case_id)


def test_native_labels_are_read_from_disk_where_they_are_needed(prepared):
    volumes = share_volumes(prepared)
    native = ray.get(native_elsewhere.remote(volumes, "carl"))
    expected = prepared.load_native("carl")
    assert np.array_equal(native.label, expected.label)
    assert native.placement_box == expected.placement_box
    assert native.spacing_mm == expected.spacing_mm
    path = prepared.root / "volumes" / prepared.case("carl").key / "native_label.npy.gz"
    path.unlink()
    with pytest.raises(UserError, match="'carl' is damaged"):
        volumes.native("carl")
    assert volumes("carl").label.any()


def test_a_set_that_does_not_fit_is_refused(prepared, monkeypatch):
    monkeypatch.setattr(ray, "available_resources", lambda: {"object_store_memory": 10.0})
    assert volume_bytes(prepared) > 10
    with pytest.raises(UserError, match="shared memory"):
        share_volumes(prepared)
