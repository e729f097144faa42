"""What a phantom looks like: places, sizes, contacts, HU."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy.ndimage import binary_erosion

from voxsiam.types import PAPER_ORGANS
from voxsiam_data.phantom.acquisition import stored
from voxsiam_data.phantom.case import make_phantom

CASES = range(3)
# Real extremes of 30 label maps, a little wider: neighbours cut into what was drawn.
VOLUME_ML = {
    "spleen": (60, 400),
    "left_kidney": (80, 260),
    "gallbladder": (2, 89),
    "esophagus": (3, 45),
    "liver": (700, 2400),
    "stomach": (130, 890),
    "pancreas": (35, 155),
    "duodenum": (25, 115),
}
# Range of the medians in design measurements, with a margin; None: gas decides.
MEDIAN_HU = {
    "spleen": ((33, 62), (78, 145)),
    "left_kidney": ((18, 43), (100, 275)),
    "gallbladder": ((0, 22), (5, 28)),
    "esophagus": ((5, 45), (30, 80)),
    "liver": ((44, 59), (80, 116)),
    "stomach": ((-960, 50), (-960, 95)),
    "pancreas": ((-5, 47), (70, 128)),
    "duodenum": ((0, 40), (40, 105)),
}


@pytest.fixture(scope="module")
def phantoms():
    return [make_phantom(11, index, (4.5, 5.0), None) for index in CASES]


def world_centres(phantom):
    """Centres of the organs by the stored affine alone."""
    image = stored(phantom.label, phantom.scan)
    values = np.asarray(image.dataobj)
    return {
        name: apply_affine(image.affine, np.argwhere(values == code).mean(0))
        for code, name in enumerate(PAPER_ORGANS, start=1)
    }


def test_every_organ_is_there_with_a_plausible_volume(phantoms):
    for phantom in phantoms:
        voxel_ml = np.prod(phantom.scan.spacing_mm) / 1000
        for code, name in enumerate(PAPER_ORGANS, start=1):
            low, high = VOLUME_ML[name]
            assert low <= (phantom.label == code).sum() * voxel_ml <= high, name


def test_volumes_differ_between_patients(phantoms):
    volumes = [(p.label == 6).sum() * np.prod(p.scan.spacing_mm) for p in phantoms]
    assert max(volumes) > 1.4 * min(volumes)


def test_organs_lie_where_they_belong_in_the_world(phantoms):
    """The world of NIfTI: x grows to the patient's right, y to the front, z to the head."""
    for phantom in phantoms:
        at = world_centres(phantom)
        right, front, up = range(3)
        for left_sided in ("spleen", "left_kidney", "stomach"):
            assert at[left_sided][right] < at["duodenum"][right] < at["liver"][right]
        assert at["gallbladder"][right] > at["pancreas"][right]
        assert at["spleen"][right] < at["stomach"][right] + 10
        assert at["left_kidney"][front] < at["pancreas"][front] < at["gallbladder"][front]
        assert at["spleen"][front] < at["stomach"][front]
        assert at["esophagus"][up] > at["stomach"][up] > at["duodenum"][up]
        assert at["liver"][up] > at["gallbladder"][up]
        assert at["spleen"][up] > at["left_kidney"][up]


def test_neighbours_touch(phantoms):
    pairs = (("liver", "gallbladder"), ("pancreas", "duodenum"), ("stomach", "spleen"),
             ("esophagus", "stomach"), ("stomach", "duodenum"))  # fmt: skip
    for a, b in pairs:
        first, second = PAPER_ORGANS.index(a) + 1, PAPER_ORGANS.index(b) + 1
        assert sum(touching(p.label, first, second) for p in phantoms) >= 2, (a, b)


def touching(label, first, second):
    """Whether a voxel of one organ has a face neighbour of the other."""
    for axis in range(3):
        lower, upper = np.moveaxis(label, axis, 0)[:-1], np.moveaxis(label, axis, 0)[1:]
        if ((lower == first) & (upper == second) | (lower == second) & (upper == first)).any():
            return True
    return False


def test_organs_have_the_hu_of_real_ones(phantoms):
    for phantom in phantoms:
        enhanced = phantom.patient.phase != "none"
        for code, name in enumerate(PAPER_ORGANS, start=1):
            low, high = MEDIAN_HU[name][enhanced]
            median = np.median(phantom.image[phantom.label == code])
            assert low <= median <= high, (name, phantom.patient.phase, median)


def test_the_phases_are_all_drawn():
    from voxsiam_data.phantom.patient import draw_patient

    patients = [draw_patient(np.random.default_rng(i)) for i in range(40)]
    assert {p.phase for p in patients} == {"none", "arterial", "portal"}
    assert {p.sex for p in patients} == {"F", "M"}


def test_noise_is_correlated_and_of_real_size(phantoms):
    for phantom in phantoms:
        liver = np.asarray(binary_erosion(phantom.label == 5, iterations=3)).astype(bool)
        hu = phantom.image.astype(float)
        step = (hu[:, :, 1:] - hu[:, :, :-1])[liver[:, :, 1:] & liver[:, :, :-1]]
        far = (hu[:, :, 6:] - hu[:, :, :-6])[liver[:, :, 6:] & liver[:, :, :-6]]
        # Robust size of the difference of two voxels, over sqrt(2): the noise of one.
        near_hu, far_hu = (1.4826 * np.median(np.abs(d)) / np.sqrt(2) for d in (step, far))
        assert near_hu < 0.9 * far_hu
        assert 6 <= far_hu <= 32
        assert far_hu == pytest.approx(phantom.scan.noise_hu, rel=0.35)


def test_a_body_in_air_on_a_table(phantoms):
    for phantom in phantoms:
        hu = phantom.image
        assert hu.min() >= -1024
        assert np.median(hu[:, -3:, :8]) < -950, "air in the front corner"
        inside = hu > -300
        soft = ((hu >= 0) & (hu < 80))[inside].sum()
        fat = ((hu >= -150) & (hu < -50))[inside].sum()
        bone = (hu >= 300)[inside].sum()
        assert 0.2 < soft / inside.sum() < 0.65
        assert 0.1 < fat / inside.sum() < 0.55
        assert 0.005 < bone / inside.sum() < 0.07
        # Organs never reach the skin: a body lies around them.
        organs = np.argwhere(phantom.label.any(0))
        assert (organs.min(0) > 8).all()
        assert (organs.max(0) < np.array(hu.shape[1:]) - 9).all()


def test_the_right_kidney_is_background_that_looks_like_the_left(phantoms):
    for phantom in phantoms:
        label, (_, _, pixel) = phantom.label, phantom.scan.spacing_mm
        slices, rows, columns = np.nonzero(label == 2)
        middle = phantom.scan.first_mm[2] * -1 / pixel
        mirrored = np.rint(2 * middle - columns.mean()).astype(int)
        box = np.s_[
            int(np.quantile(slices, 0.1)) : int(np.quantile(slices, 0.6)),
            int(rows.mean()) - 25 : int(rows.mean()) + 25,
            mirrored - 25 : mirrored + 25,
        ]
        left_hu = np.median(phantom.image[label == 2])
        look_alike = (np.abs(phantom.image[box] - left_hu) < 40) & (label[box] == 0)
        assert look_alike.mean() > 0.05


def test_files_lie_in_many_orientations():
    from voxsiam_data.phantom.acquisition import draw_scan

    box = ((0.0, 0.0, 0.0), (200.0, 250.0, 350.0))
    scans = [draw_scan(np.random.default_rng(i), box, (0.5, 5.0)) for i in range(60)]
    assert len({s.orientation for s in scans}) >= 6
    thickness = np.array([s.spacing_mm[0] for s in scans])
    assert 0.5 <= thickness.min() < 1.0
    assert 3.0 < thickness.max() <= 5.0


def test_stored_arrays_keep_every_voxel_in_its_place(phantoms):
    """Whatever the axis order of the file, the affine leads each voxel back to one world point."""
    from dataclasses import replace

    phantom = phantoms[0]
    expected = None
    for codes in ("RAS", "LPS", "RPI", "LAI"):
        image = stored(phantom.label, replace(phantom.scan, orientation=codes))
        assert "".join(nib.aff2axcodes(image.affine)) == codes
        canonical = nib.as_closest_canonical(image)
        assert np.array_equal(np.asarray(canonical.dataobj).T, phantom.label)
        expected = canonical.affine if expected is None else expected
        assert np.allclose(canonical.affine, expected)
