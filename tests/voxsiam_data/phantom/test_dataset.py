import csv
import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam_data.phantom.dataset import write_phantoms

SLICE_MM = (9.0, 10.0)
read = nib.Nifti1Image.from_filename


def digests(directory: Path) -> dict[str, str]:
    files = (p for p in directory.rglob("*") if p.is_file())
    return {
        str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    directory = tmp_path_factory.mktemp("phantoms") / "set"
    calls = []
    write_phantoms(
        directory, cases=2, seed=5, slice_mm=SLICE_MM, on_case=lambda *c: calls.append(c)
    )
    assert calls == [(1, 2), (2, 2)]
    return directory


def test_the_same_arguments_give_the_same_bytes_and_fewer_cases_a_prefix(phantoms, tmp_path):
    write_phantoms(tmp_path / "again", cases=1, seed=5, slice_mm=SLICE_MM)
    first, second = digests(phantoms), digests(tmp_path / "again")
    volumes = {name for name in second if name.endswith(".nii.gz")}
    assert len(volumes) == 2
    assert {name: first[name] for name in volumes} == {name: second[name] for name in volumes}
    rows = (phantoms / "patients.csv").read_text().splitlines()
    assert (tmp_path / "again" / "patients.csv").read_text().splitlines() == rows[:2]


def test_files_carry_no_time_and_no_name(phantoms):
    packed = next((phantoms / "imagesTr").iterdir()).read_bytes()
    assert packed[3] == 0, "gzip flags: a name or comment is stored"
    assert packed[4:8] == bytes(4), "gzip time"


def test_another_seed_gives_other_cases_under_other_names(phantoms, tmp_path):
    write_phantoms(tmp_path / "other", cases=1, seed=6, slice_mm=SLICE_MM)
    names = {p.name for p in (tmp_path / "other" / "labelsTr").iterdir()}
    assert names == {"phantom_s6_000.nii.gz"}
    assert not set(digests(tmp_path / "other").values()) & set(digests(phantoms).values())


def test_layout_is_nnunet(phantoms):
    description = json.loads((phantoms / "dataset.json").read_text())
    assert description["channel_names"] == {"0": "CT"}
    assert description["labels"] == {
        "background": 0, "spleen": 1, "left_kidney": 2, "gallbladder": 3, "esophagus": 4,
        "liver": 5, "stomach": 6, "pancreas": 7, "duodenum": 8,
    }  # fmt: skip
    assert tuple(description["labels"])[1:] == PAPER_ORGANS
    assert (description["numTraining"], description["file_ending"]) == (2, ".nii.gz")
    cases = [f"phantom_s5_{i:03d}" for i in range(2)]
    assert sorted(p.name for p in (phantoms / "imagesTr").iterdir()) == [
        f"{c}_0000.nii.gz" for c in cases
    ]
    assert sorted(p.name for p in (phantoms / "labelsTr").iterdir()) == [
        f"{c}.nii.gz" for c in cases
    ]
    with (phantoms / "patients.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [r["case_id"] for r in rows] == cases
    for row in rows:
        image = read(phantoms / "imagesTr" / f"{row['case_id']}_0000.nii.gz")
        label = read(phantoms / "labelsTr" / f"{row['case_id']}.nii.gz")
        assert (image.get_data_dtype(), label.get_data_dtype()) == (np.int16, np.uint8)
        assert image.shape == label.shape
        assert np.array_equal(np.asarray(image.affine), np.asarray(label.affine))
        zooms = sorted(image.header.get_zooms())
        expected = sorted([float(row["pixel_mm"]), float(row["pixel_mm"]), float(row["slice_mm"])])
        assert np.allclose(zooms, expected, atol=1e-4)
        assert 0.6 <= float(row["pixel_mm"]) <= 1.0
        assert SLICE_MM[0] <= float(row["slice_mm"]) <= SLICE_MM[1]
        assert row["sex"] in "FM"
        assert row["phase"] in ("none", "arterial", "portal")
        assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
        qform, sform = image.get_qform(coded=False), image.get_sform(coded=False)
        assert np.allclose(np.asarray(qform), np.asarray(sform), atol=1e-3)


def test_a_complete_set_is_left_alone_and_an_unfinished_one_is_finished(tmp_path):
    target = tmp_path / "set"
    calls = []
    arguments = {"cases": 1, "seed": 1, "slice_mm": SLICE_MM}
    write_phantoms(target, **arguments)
    before = digests(target)
    write_phantoms(target, **arguments, on_case=lambda *c: calls.append(c))
    assert calls == []
    (target / "dataset.json").unlink()
    (target / "labelsTr" / "phantom_s1_000.nii.gz").write_bytes(b"half")
    write_phantoms(target, **arguments, on_case=lambda *c: calls.append(c))
    assert calls == [(1, 1)]
    assert digests(target) == before


def test_a_foreign_or_different_directory_is_refused_untouched(phantoms, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="overwritten"):
        write_phantoms(foreign, cases=1, seed=0)
    assert digests(foreign).keys() == {"thesis.txt"}
    before = digests(phantoms)
    with pytest.raises(UserError, match="overwritten"):
        write_phantoms(phantoms, cases=2, seed=4, slice_mm=SLICE_MM)
    assert digests(phantoms) == before


def test_a_directory_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_phantoms(tmp_path / "file" / "set", cases=1, seed=0)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"cases": 0}, "cases"),
        ({"seed": -1}, "seed"),
        ({"slice_mm": (5.0, 3.0)}, "slice_mm"),
        ({"slice_mm": (0.0, 3.0)}, "slice_mm"),
        ({"slice_mm": (1.0, float("nan"))}, "slice_mm"),
    ],
)
def test_impossible_arguments_are_refused_before_anything_is_written(tmp_path, arguments, where):
    with pytest.raises(UserError) as caught:
        write_phantoms(tmp_path / "set", **{"cases": 1, "seed": 0, **arguments})
    assert caught.value.where == where
    assert not (tmp_path / "set").exists()
