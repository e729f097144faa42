import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from voxsiam.errors import UserError
from voxsiam.types import PAPER_ORGANS
from voxsiam_data.phantom.dataset import write_phantoms
from voxsiam_data.phantom.labelmap import TEXTBOOK_MM, read_organ_map

RADIUS_MM = {
    "spleen": 34, "left_kidney": 30, "gallbladder": 14, "esophagus": 12,
    "liver": 62, "stomach": 36, "pancreas": 18, "duodenum": 17,
}  # fmt: skip
read = nib.Nifti1Image.from_filename
REAL = Path(__file__).parents[4] / "shared" / "data" / "anatomy"


def ball_map(path: Path, stretch: float = 1.0, specks: bool = False) -> None:
    """Balls in the organs' places, stored in LPS with 2 x 2 x 4 mm voxels."""
    shape, spacing = (170, 130, 62), np.array([2.0, 2.0, 4.0])
    label = np.zeros(shape, dtype=np.uint8)
    grid = np.moveaxis(np.indices(shape), 0, -1) * spacing - np.array([170.0, 80.0, 110.0])
    for name in sorted(PAPER_ORGANS, key=lambda n: -RADIUS_MM[n]):
        s, a, r = TEXTBOOK_MM[name]
        gap = np.linalg.norm(grid - stretch * np.array([r, a, s]), axis=-1)
        label[gap < RADIUS_MM[name]] = PAPER_ORGANS.index(name) + 1
    if specks:
        label[3, 3, 3] = 1
    image = nib.Nifti1Image(label, np.diag([*spacing, 1.0]))
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt("LPS")
    )
    nib.save(image.as_reoriented(turn.astype(int).tolist()), path)


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    ball_map(folder / "b_second.nii.gz", stretch=1.08)
    ball_map(folder / "a_first.nii.gz", specks=True)
    return folder


@pytest.fixture(scope="module")
def painted(maps, tmp_path_factory):
    directory = tmp_path_factory.mktemp("painted") / "set"
    write_phantoms(directory, cases=2, seed=3, anatomy=maps, slice_mm=(4.0, 4.0))
    return directory


def volumes_ml(path: Path) -> np.ndarray:
    image = read(path)
    counts = np.bincount(np.asarray(image.dataobj).ravel(), minlength=9)[1:]
    return counts * np.prod(image.header.get_zooms()[:3]) / 1000


def test_cases_follow_the_maps_in_sorted_order(painted):
    with (painted / "patients.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [r["patient_id"] for r in rows] == ["a_first", "b_second"]
    assert [r["case_id"] for r in rows] == ["painted_s3_000", "painted_s3_001"]


def test_organs_keep_the_maps_volume_and_place(maps, painted):
    for index, name in enumerate(("a_first", "b_second")):
        original = read(maps / f"{name}.nii.gz")
        copy_path = painted / "labelsTr" / f"painted_s3_{index:03d}.nii.gz"
        copy = read(copy_path)
        given, got = volumes_ml(maps / f"{name}.nii.gz"), volumes_ml(copy_path)
        # The kidney gives its sinus, the rest may only lose what sampling costs.
        assert np.allclose(np.delete(got, 1), np.delete(given, 1), rtol=0.1)
        assert 0.6 * given[1] < got[1] <= 1.05 * given[1]
        centres = [
            np.array([
                apply_affine(i.affine, np.argwhere(np.asarray(i.dataobj) == k).mean(0))
                for k in range(1, 9)
            ])
            for i in (original, copy)
        ]  # fmt: skip
        apart = [c - c.mean(0) for c in centres]
        assert np.abs(apart[0] - apart[1]).max() < 2.5


def test_a_body_is_painted_around_the_organs(painted):
    for path in sorted((painted / "imagesTr").iterdir()):
        hu = np.asarray(nib.as_closest_canonical(read(path)).dataobj)
        label = painted / "labelsTr" / path.name.replace("_0000", "")
        organs = np.asarray(nib.as_closest_canonical(read(label)).dataobj) > 0
        assert hu[:4, -4:, :].mean() < -900
        places = np.argwhere(organs)
        low, high = places[:, :2].min(0), places[:, :2].max(0)
        assert (low > 10).all()
        assert (high < np.array(hu.shape[:2]) - 10).all()
        assert np.median(hu[organs]) > -20
        assert (hu > 300).mean() > 0.002, "bones"


def test_stray_voxels_are_dropped(maps):
    organ_map = read_organ_map(maps / "a_first.nii.gz")
    counts = np.bincount(organ_map.label.ravel(), minlength=9)
    original = np.asarray(read(maps / "a_first.nii.gz").dataobj)
    assert counts[1] == (original == 1).sum() - 1
    assert np.array_equal(counts[2:], np.bincount(original.ravel(), minlength=9)[2:])


def test_more_cases_than_maps_are_refused(maps, tmp_path):
    with pytest.raises(UserError, match="2 label maps"):
        write_phantoms(tmp_path / "set", cases=3, seed=0, anatomy=maps)
    with pytest.raises(UserError, match="no label maps"):
        write_phantoms(tmp_path / "set", cases=1, seed=0, anatomy=tmp_path)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("kind", ["missing organ", "value 9", "empty", "fraction", "4D", "text"])
def test_an_unfit_map_is_refused_by_name(maps, tmp_path, kind):
    path = tmp_path / "map.nii.gz"
    image = read(maps / "a_first.nii.gz")
    label = np.asarray(image.dataobj).astype(np.float32)
    changed = {
        "missing organ": np.where(label == 3, 0, label),
        "value 9": np.where(label == 3, 9, label),
        "empty": label * 0,
        "fraction": np.where(label == 3, 3.5, label),
        "4D": label[..., None],
    }
    if kind == "text":
        path.write_bytes(b"not a volume")
    else:
        nib.save(nib.Nifti1Image(changed[kind], image.affine), path)
    with pytest.raises(UserError) as caught:
        read_organ_map(path)
    assert caught.value.where == str(path)


@pytest.mark.shared_data
@pytest.mark.skipif(not REAL.is_dir(), reason="real label maps are not beside the checkout")
def test_a_real_map_keeps_its_volumes(tmp_path):
    write_phantoms(tmp_path / "set", cases=1, seed=0, anatomy=REAL, slice_mm=(3.0, 3.0))
    given = volumes_ml(sorted(REAL.glob("*.nii.gz"))[0])
    got = volumes_ml(next((tmp_path / "set" / "labelsTr").iterdir()))
    assert np.allclose(np.delete(got, 1), np.delete(given, 1), rtol=0.08)
