"""A header that says in two ways where the voxels lie: sform, and qform with pixdim."""

import nibabel
import numpy as np
import pytest

from tests.nifti_files import PIXDIM, QFORM, SFORM_ROWS, patch, ras_affine
from voxsiam.errors import UserError
from voxsiam.volumes.nifti import read_nifti

ARRAY = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)
SPACING = (0.7, 0.8, 2.5)
AFFINE = ras_affine(SPACING, (-10, 20, 30))
QFORM_CODE, SFORM_CODE, QFAC = QFORM, QFORM + 2, PIXDIM


@pytest.fixture
def both(tmp_path):
    """A file whose sform and qform say the same."""
    image = nibabel.Nifti1Image(ARRAY, AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(AFFINE, 1)
    nibabel.save(image, tmp_path / "scan.nii")
    return tmp_path / "scan.nii"


def sform(affine):
    return (SFORM_ROWS, "<12f", *np.asarray(affine)[:3].ravel())


def scaled(factor):
    return AFFINE @ np.diag([*np.broadcast_to(factor, 3), 1.0])


TURNED = AFFINE @ np.diag([-1.0, -1.0, 1.0, 1.0])
SWAPPED = AFFINE[:, [1, 0, 2, 3]]
ROTATED = np.eye(4)
ROTATED[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
MATTERS = {
    "a stale sform of 1 mm": (sform(np.diag([1.0, 1.0, 1.0, 1.0])), "voxels of 1 x 1 x 1 mm"),
    "one axis twice as long": (sform(scaled([1, 1, 2])), "0.7 x 0.8 x 5 mm, its"),
    "2 % longer": (sform(scaled(1.02)), "voxels of"),
    "micrometres beside mm": (sform(scaled(10)), "7 x 8 x 25 mm"),
    "mirrored": (sform(AFFINE @ np.diag([-1.0, 1.0, 1.0, 1.0])), r"\(LAS against RAS\)"),
    "turned by half": (sform(TURNED), r"\(LPS against RAS\)"),
    "axes swapped": (sform(SWAPPED), r"\(ARS against RAS\)"),
    "a qform that is no rotation": ((256, "<3f", 1.0, 1.0, 1.0), "qform makes no sense"),
    "a spacing of 0 in the qform": ((PIXDIM + 4, "<f", 0.0), "qform makes no sense"),
}


@pytest.mark.parametrize("name", MATTERS)
def test_what_changes_distances_or_sides_is_refused_with_both_values(both, name):
    change, words = MATTERS[name]
    patch(both, change)
    with pytest.raises(UserError, match=words) as caught:
        read_nifti(both)
    assert "--geometry sform or --geometry qform" in caught.value.fix


@pytest.mark.parametrize("name", MATTERS)
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_who_says_which_one_is_right_gets_it_and_is_told(both, name, form):
    change, _ = MATTERS[name]
    patch(both, change)
    if form == "qform" and "qform" in name:
        with pytest.raises(UserError):
            read_nifti(both, geometry=form)
        return
    read = read_nifti(both, geometry=form)
    header = nibabel.load(both).header
    expected = AFFINE if "qform" in name else getattr(header, f"get_{form}")()
    np.testing.assert_allclose(read.affine, expected, rtol=1e-5, atol=1e-5)
    assert read.form == form
    assert any(f"the {form} counts" in note for note in read.notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (sform(scaled(1.002)), "voxels of 0.7014"),
        (sform(ROTATED @ AFFINE), "mm apart: the sform counts"),
        ((SFORM_ROWS + 12, "<f", 10.0), "20 mm apart: the sform counts"),
        ((123, "<B", 1), "counts in metres"),
        ((123, "<B", 3), "counts in micrometres"),
    ],
)
def test_what_does_not_matter_is_said(both, change, words):
    patch(both, change)
    assert any(words in note for note in read_nifti(both).notes)


@pytest.mark.parametrize("change", [sform(scaled(1.0005)), (SFORM_ROWS + 12, "<f", -10.1)])
def test_rounding_is_no_matter(both, change):
    patch(both, change)
    assert read_nifti(both).notes == ()


@pytest.mark.parametrize("qfac", [0.0, 1.0, -1.0])
def test_qfac_0_counts_as_1(both, qfac):
    patch(both, (QFAC, "<f", qfac), (SFORM_CODE, "<h", 0))
    expected = AFFINE @ np.diag([1.0, 1.0, -1.0 if qfac < 0 else 1.0, 1.0])
    np.testing.assert_allclose(read_nifti(both).affine, expected, rtol=1e-5, atol=1e-5)


def test_qfac_0_beside_a_sform_that_agrees(both):
    patch(both, (QFAC, "<f", 0.0))
    assert read_nifti(both).notes == ()


def test_a_pixdim_that_other_tools_read_as_the_spacing(both):
    """Without a qform, ITK takes pixdim where we take the sform."""
    patch(both, (QFORM_CODE, "<h", 0), (PIXDIM + 4, "<3f", 3.0, 3.0, 3.0))
    with pytest.raises(UserError, match=r"0\.7 x 0\.8 x 2.5 mm, its pixdim 3 x 3 x 3 mm") as caught:
        read_nifti(both)
    assert "--geometry sform" in caught.value.fix
    assert read_nifti(both, geometry="sform").notes[0].endswith("the sform counts")
    with pytest.raises(UserError, match="no qform"):
        read_nifti(both, geometry="qform")
