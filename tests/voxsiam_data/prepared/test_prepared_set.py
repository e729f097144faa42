import gzip
import json
import warnings

import numpy as np
import pytest
import torch

from tests.nifti_files import label_map
from tests.prepared_folder import build_prepared
from tests.voxsiam_dashboards.prepared_cases import write_prepared
from voxsiam.errors import UserError
from voxsiam.volumes.nifti import read_nifti
from voxsiam.volumes.placement import placement_of
from voxsiam.volumes.preparation import prepare_volume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam.volumes.resampling import resample_nearest
from voxsiam_data.prepared.prepared_set import PreparedSets, open_prepared
from voxsiam_data.prepared.record import data_fingerprint


@pytest.fixture
def prepared(tmp_path, case_folders, small_config):
    return build_prepared(tmp_path / "prepared", case_folders, small_config)


def test_loads_what_was_prepared(prepared, case_folders, small_config):
    volume = prepared.load("bert")
    folder = case_folders / "bert"
    expected = prepare_volume(
        folder / "image.nii.gz", label_map(folder / "label.nii.gz"), small_config
    )
    assert volume.case_id == "bert"
    assert volume.image.dtype == np.float32
    assert volume.label.dtype == np.uint8
    np.testing.assert_array_equal(volume.image, expected.image.astype(np.float32))
    np.testing.assert_array_equal(volume.label, expected.label)
    assert volume.spacing_mm == expected.spacing_mm
    with warnings.catch_warnings(action="error"):
        torch.from_numpy(volume.label)  # warns of arrays that cannot be written to


def test_loads_the_label_map_of_the_whole_scan(prepared, case_folders):
    native = prepared.load_native("bert")
    label = read_nifti(case_folders / "bert" / "label.nii.gz").array
    assert native.label.dtype == np.uint8
    np.testing.assert_array_equal(native.label, label.T)
    assert native.spacing_mm == (1.0, 1.0, 1.0)
    assert native.placement_box == (slice(0, 16), slice(0, 18), slice(0, 20))
    with warnings.catch_warnings(action="error"):
        torch.from_numpy(native.label)


def test_grid_and_native_label_fit_through_the_box(tmp_path, case_folders):
    header = "case_id,i_start,i_stop,j_start,j_stop,k_start,k_stop\n"
    (case_folders / "crops.csv").write_text(header + "bert,1,19,2,18,3,16\n")
    config = PreparationConfig(grid_dhw=(32, 32, 32), crop="box")
    prepared = build_prepared(tmp_path / "cropped", case_folders, config)
    native = prepared.load_native("bert")
    assert native.placement_box == (slice(3, 16), slice(2, 18), slice(1, 19))
    placement = placement_of(native)
    assert placement.is_cropped
    inside = native.label[placement.box]
    back = resample_nearest(prepared.load("bert").label, inside.shape)
    np.testing.assert_array_equal(back, inside)
    assert prepared.load("bert").spacing_mm == pytest.approx(
        placement.grid_spacing_mm((32, 32, 32))
    )
    rows = prepared.describe()
    assert json.loads(json.dumps(rows)) == rows
    assert [row["box"] for row in rows] == [None, [[3, 16], [2, 18], [1, 19]], None]


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\x1f\x8b\x08"])
def test_native_label_that_is_damaged(prepared, content):
    path = prepared.root / "volumes" / prepared.case("anna").key / "native_label.npy.gz"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match="'anna' is damaged") as caught:
        prepared.load_native("anna")
    assert caught.value.where == str(path)
    assert prepared.load_native("bert").label.any()


def test_native_label_that_was_exchanged(prepared):
    """A sound file of the right shape: only the checksum tells."""
    path = prepared.root / "volumes" / prepared.case("bert").key / "native_label.npy.gz"
    other = 8 - prepared.load_native("bert").label
    with gzip.GzipFile(path, "wb") as stream:
        np.save(stream, other)
    with pytest.raises(UserError, match="'bert' is damaged"):
        prepared.load_native("bert")


def test_native_label_of_an_unknown_case(prepared):
    with pytest.raises(UserError, match="'ana'"):
        prepared.load_native("ana")


def test_describes_in_plain_values(prepared):
    rows = prepared.describe()
    assert json.loads(json.dumps(rows)) == rows
    assert [row["case"] for row in rows] == ["anna", "bert", "carl"]
    assert len(rows[0]["organs"]) == 8
    assert rows[0]["shape"] == [16, 16, 16]


def test_flipped_bit_is_told_and_can_be_ignored(prepared):
    path = prepared.root / "volumes" / prepared.case("anna").key / "label.npy"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(UserError, match="'anna' is damaged") as caught:
        prepared.load("anna")
    assert caught.value.where == str(path)
    assert prepared.load("anna", verify=False).label[-1, -1, -1] == 1
    assert prepared.load("bert").case_id == "bert"


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY garbage", b"\x80\x04pickle"])
def test_array_that_is_no_array(prepared, verify, content):
    path = prepared.root / "volumes" / prepared.case("anna").key / "image.npy"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        prepared.load("anna", verify=verify)


def test_unknown_case_suggests_a_name(prepared):
    with pytest.raises(UserError, match="'ana'") as caught:
        prepared.load("ana")
    assert "'anna'" in caught.value.fix


def test_absent_set_names_the_command(tmp_path):
    with pytest.raises(UserError, match="not a prepared") as caught:
        open_prepared(tmp_path)
    assert "voxsiam data prepare SOURCE -o PREPARED" in caught.value.fix


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: record | {"version": 1}, "by version 1, this is 3"),
        (lambda record: record | {"cases": record["cases"][:2]}, "altered"),
        (lambda record: record | {"extra": 1}, "cannot be read"),
        (lambda _: [], "cannot be read"),
        (
            lambda record: record | {"cases": [record["cases"][0] | {"key": "../../../../etc/x"}]},
            "cannot be read",
        ),
    ],
)
def test_record_that_cannot_be_trusted(prepared, change, words):
    path = prepared.root / "prepared.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UserError, match=words) as caught:
        open_prepared(prepared.root)
    assert caught.value.where == str(path)


def test_fingerprint_follows_the_volumes_only(prepared, small_config):
    cases = prepared.cases
    assert data_fingerprint(small_config, reversed(cases)) == prepared.fingerprint
    assert data_fingerprint(small_config, cases[:2]) != prepared.fingerprint
    assert (
        data_fingerprint(small_config.model_copy(update={"grid_dhw": (32, 32, 32)}), cases)
        != prepared.fingerprint
    )


def test_a_set_is_found_by_what_it_holds_wherever_it_lies(tmp_path):
    first = write_prepared(tmp_path / "first", count=1)
    folders = [tmp_path / "gone", tmp_path / "first"]
    sets = PreparedSets(lambda: folders)
    assert sets.find(first.fingerprint) == first
    assert sets.find("f" * 16) is None
    # A study that is started while the page is open brings its own.
    second = write_prepared(tmp_path / "second", count=2)
    assert sets.find(second.fingerprint) is None
    folders.append(tmp_path / "second")
    assert sets.find(second.fingerprint) == second


def test_a_record_that_was_altered_is_as_good_as_absent(tmp_path):
    found = write_prepared(tmp_path / "altered", count=1)
    file = tmp_path / "altered" / "prepared.json"
    file.write_text(file.read_text().replace('"000"', '"111"'))
    assert PreparedSets(lambda: [tmp_path / "altered"]).find(found.fingerprint) is None
