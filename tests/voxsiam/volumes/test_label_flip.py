import nibabel
import numpy as np
import pytest

from tests.voxsiam_data.checks.trunks import (
    SPACING,
    VALUES,
    known,
    only,
    trunk,
    uneven_spleen,
    write_image,
)
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.label_flip import (
    AS_IT_IS,
    CLEAR_MARGIN,
    FLIPS,
    MIN_LIVER_ML,
    compare_flips,
    flip_name,
    left_of_liver_mm,
    sides_are_swapped,
)
from voxsiam.volumes.nifti import read_nifti
from voxsiam.volumes.orientation import axis_order, flipped, spacing_dhw, to_canonical
from voxsiam.volumes.volume_file import read_image


@pytest.mark.parametrize("flip", FLIPS, ids=flip_name)
def test_every_flip_is_found(flip):
    image, label = trunk()
    compared = known(compare_flips(image, flipped(label, flip), SPACING))
    assert compared.best.flip == flip
    assert compared.is_clear
    assert compared.unchanged.flip == AS_IT_IS
    assert np.array_equal(flipped(flipped(label, flip), flip), label)


def test_the_figures_are_those_of_the_voxels_looked_at():
    image = np.full((8, 8, 8), -1000, np.int16)
    label = np.zeros((8, 8, 8), np.uint8)
    label[:4] = 5
    image[:4], image[0] = 100, -200
    compared = known(compare_flips(image, label, (4.0, 4.0, 4.0)))
    assert compared.liver_ml == pytest.approx(256 * 0.064)
    score = compared.unchanged
    assert score.median_hu == {"liver": 100}
    assert score.air_share == 0.25
    assert score.deviation_hu["liver"] == pytest.approx(300 * np.sqrt(3) / 4)
    assert score.spread_hu == score.deviation_hu["liver"]
    assert str(score) == "as it is: median HU liver 100; spread 130 HU, 25.0% in air"


def test_an_even_image_and_a_map_of_another_patient_are_not_clear():
    _, label = trunk()
    noise = np.random.default_rng(0).normal(40, 20, label.shape)
    assert not known(compare_flips(noise, label, SPACING)).is_clear
    image, _ = trunk()
    elsewhere = np.roll(label, (-13, 9, 12), (0, 1, 2))
    assert not known(compare_flips(image, elsewhere, SPACING)).is_clear


def test_nan_counts_as_air_and_without_organs_nothing_is_said():
    image, label = trunk()
    broken = np.where(label == 5, np.nan, image)
    score = known(compare_flips(broken, label, SPACING)).unchanged
    assert score.median_hu["liver"] == -1024
    assert compare_flips(image, np.where(label == 8, label, 0), SPACING) is None


def test_a_spleen_alone_decides_nothing():
    image, label = uneven_spleen()
    compared = known(compare_flips(image, only(label, "spleen"), SPACING))
    assert compared.best.flip == (False, False, True)
    assert compared.margin > CLEAR_MARGIN
    assert compared.liver_ml == 0
    assert not compared.is_clear
    assert known(compare_flips(image, label, SPACING)).best.flip == AS_IT_IS


@pytest.mark.parametrize(
    ("organs", "refuses", "mirrors"),
    [
        (("spleen",), False, False),
        (("pancreas",), False, False),
        (("spleen", "left_kidney", "pancreas"), False, False),
        (("liver",), True, False),
        (("liver", "spleen", "left_kidney"), True, False),
        (("liver", "pancreas"), True, True),
    ],
)
@pytest.mark.parametrize("flip", FLIPS, ids=flip_name)
def test_which_organs_suffice(organs, refuses, mirrors, flip):
    image, label = trunk()
    compared = known(compare_flips(image, flipped(only(label, *organs), flip), SPACING))
    assert compared.is_clear == compared.shows_enough_to_refuse == refuses
    assert compared.shows_enough_to_mirror == mirrors
    assert not refuses or compared.best.flip == flip


def test_the_tip_of_a_liver_does_not_suffice():
    image, label = trunk()
    liver = only(label, "liver", "pancreas")
    whole, tip = known(compare_flips(image, liver, SPACING)), liver.copy()
    tip[(np.indices(tip.shape)[0] > 21) & (tip == 5)] = 0
    cut = known(compare_flips(image, tip, SPACING))
    assert whole.liver_ml == pytest.approx((liver == 5).sum() * 0.08)
    assert 30 < cut.liver_ml < MIN_LIVER_ML < whole.liver_ml
    assert cut.margin > CLEAR_MARGIN
    assert not cut.is_clear
    assert not cut.shows_enough_to_mirror


def test_sides():
    _, label = trunk()
    right = left_of_liver_mm(label, SPACING)
    assert set(right) == {"spleen", "left_kidney"}
    # Centres of the ellipsoids, whose cut parts are few.
    assert right["spleen"] == pytest.approx(170, abs=6)
    assert right["left_kidney"] == pytest.approx(135, abs=6)
    assert not sides_are_swapped(right)
    assert sides_are_swapped(left_of_liver_mm(label[:, :, ::-1], SPACING))
    assert not sides_are_swapped(left_of_liver_mm(np.where(label == 5, 0, label), SPACING))
    assert not sides_are_swapped({"spleen": -30.0, "left_kidney": 30.0})


def written(folder, label, affine=None):
    image, _ = trunk()
    scan = read_image(write_image(folder / "image.nii.gz", image))
    path = write_image(folder / "label.nii.gz", label, affine)
    return scan, LabelMap(path=path, values=VALUES, place="by_hu")


@pytest.mark.parametrize("flip", FLIPS, ids=flip_name)
def test_by_hu_takes_the_array_along_the_images_axes_and_mends_the_flip(tmp_path, flip):
    _, label = trunk()
    # A header of its own, which says nothing true.
    scan, labels = written(tmp_path, flipped(label, flip), np.diag([-1.0, -1.0, 3.0, 1.0]))
    read, notes = labels.read_with_notes(scan)
    assert np.array_equal(read, label)
    expected = () if flip == AS_IT_IS else (f"label {flip_name(flip)} to fit the image",)
    assert notes == expected


def test_by_hu_in_the_axes_of_a_stored_image_that_run_the_other_way(tmp_path):
    image, label = trunk()
    affine = np.diag([-4.0, -4.0, 5.0, 1.0])
    scan = read_image(write_image(tmp_path / "image.nii.gz", image[:, ::-1, ::-1], affine))
    path = write_image(tmp_path / "label.nii.gz", label[::-1, ::-1, ::-1])
    labels = LabelMap(path=path, values=VALUES, place="by_hu")
    read, notes = labels.read_with_notes(scan)
    assert np.array_equal(read, label)
    assert notes == ("label mirrored along d to fit the image",)


def test_by_hu_refuses_with_figures_what_the_image_does_not_show(tmp_path):
    _, label = trunk()
    scan, labels = written(tmp_path, np.roll(label, (-13, 9, 12), (0, 1, 2)))
    with pytest.raises(UserError, match=r"median HU spleen .* spread \d+ HU.*Second"):
        labels.read_with_notes(scan)
    scan, labels = written(tmp_path, np.where(label == 8, label, 0).astype(np.uint8))
    with pytest.raises(UserError, match="too little of liver"):
        labels.read_with_notes(scan)
    scan, labels = written(tmp_path, label[:-1])
    with pytest.raises(UserError, match="has shape"):
        labels.read_with_notes(scan)


@pytest.mark.parametrize(
    "organs", [("spleen",), ("liver",), ("spleen", "left_kidney", "pancreas")], ids="+".join
)
@pytest.mark.parametrize("flip", [AS_IT_IS, (True, False, False)], ids=flip_name)
def test_by_hu_refuses_what_too_few_organs_cannot_tell(tmp_path, organs, flip):
    _, label = trunk()
    scan, labels = written(tmp_path, flipped(only(label, *organs), flip))
    with pytest.raises(UserError, match="too little of liver and pancreas") as caught:
        labels.read_with_notes(scan)
    assert caught.value.where.endswith("label.nii.gz")


def test_by_hu_with_liver_and_pancreas_alone(tmp_path):
    _, label = trunk()
    label = only(label, "liver", "pancreas")
    scan, labels = written(tmp_path, label[::-1])
    read, notes = labels.read_with_notes(scan)
    assert np.array_equal(read, label)
    assert notes == ("label mirrored along d to fit the image",)


def test_the_place_is_part_of_the_meaning_where_it_is_not_the_usual_one(tmp_path):
    usual = LabelMap(path=tmp_path / "a.nii.gz", values={0: 0, 6: 5})
    by_hu = usual.model_copy(update={"place": "by_hu"})
    assert usual.meaning() == [(0, 0), (6, 5)]
    assert by_hu.meaning() == {"values": [(0, 0), (6, 5)], "place": "by_hu"}


@pytest.mark.shared_data
@pytest.mark.parametrize("case", ["ts_s0009", "ts_example"])
def test_real_scans_show_how_their_labels_lie(shared_data, case, add_table):
    folder = shared_data / "ct" / case
    scan, label = (read_nifti(folder / f"{name}.nii.gz") for name in ("image", "label"))
    order = axis_order(scan.affine)
    assert np.array_equal(nibabel.io_orientation(scan.affine)[:, 0], [0, 1, 2])  # pyright: ignore[reportPrivateImportUsage]
    image, organs = (to_canonical(one.array, order) for one in (scan, label))
    spacing = spacing_dhw(scan.affine, order)
    margins = []
    for flip in FLIPS:
        compared = known(compare_flips(image, flipped(organs, flip).astype(np.uint8), spacing))
        assert (compared.best.flip, compared.is_clear) == (flip, True)
        margins.append(compared.margin)
    assert min(margins) > 1.5
    assert not sides_are_swapped(left_of_liver_mm(organs.astype(np.uint8), spacing))
    add_table(f"Flip check of {case}", ("least margin",), [(f"{min(margins):.2f}",)])
