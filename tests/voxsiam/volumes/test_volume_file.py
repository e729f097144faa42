"""NRRD and MetaImage files: the NIfTI of the same volume, or refused before they do harm."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from tests.nifti_files import ALL_AXES, phantom_ct, ras_affine, reoriented, write_scan
from voxsiam.errors import UserError
from voxsiam.volumes.orientation import axis_order, to_canonical
from voxsiam.volumes.volume_file import is_volume, read_volume, stem_of, volume_files

IMAGE, _ = phantom_ct((7, 6, 5))
AFFINE = ras_affine((0.7, 0.8, 3.0), (-11.0, 22.0, -33.0))
ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")


def write(path, array=IMAGE, affine=AFFINE, *, packed=False):
    """Write by ITK, from the NIfTI of the same volume."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti = write_scan(path.parent / "of_the_same.nii.gz", array, affine)
    sitk.WriteImage(sitk.ReadImage(str(nifti)), str(path), useCompression=packed)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("packed", [False, True])
def test_the_same_volume_in_another_format(tmp_path, ending, packed):
    path = write(tmp_path / f"scan{ending}", packed=packed)
    scan, expected = read_volume(path), read_volume(tmp_path / "of_the_same.nii.gz")
    assert scan.array.dtype == expected.array.dtype
    np.testing.assert_array_equal(scan.array, expected.array)
    np.testing.assert_allclose(scan.affine, expected.affine, atol=1e-5)
    assert scan.notes == ()


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES[::3])
@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_axes_in_any_order(tmp_path, ending, axes, signs):
    stored, affine = reoriented(IMAGE, AFFINE, axes, signs)
    scan = read_volume(write(tmp_path / f"scan{ending}", stored, affine))
    np.testing.assert_array_equal(to_canonical(scan.array, axis_order(scan.affine)), IMAGE.T)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_values_of_every_type(tmp_path, dtype):
    for ending in ENDINGS:
        scan = read_volume(write(tmp_path / f"scan{ending}", np.abs(IMAGE).astype(dtype) // 100))
        assert scan.array.dtype == dtype


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.NII.GZ", "a"), ("a.b.Nrrd", "a.b"), ("a.MHA", "a"), ("a.nii", "a"), ("a.txt", None)],
)
def test_names_of_any_case(name, stem):
    assert is_volume(Path(name)) == (stem is not None)
    assert stem is None or stem_of(Path(name)) == stem


@pytest.mark.parametrize(
    ("ending", "count"), [(".nrrd", 1), (".nhdr", 2), (".mha", 1), (".mhd", 2)]
)
def test_the_files_that_decide_the_voxels(tmp_path, ending, count):
    files = volume_files(write(tmp_path / f"scan{ending}"))
    assert [path.name for path in files] == [f"scan{ending}", "scan.raw"][:count]


def test_upper_case_nifti(tmp_path):
    path = write_scan(tmp_path / "a.nii.gz", IMAGE, AFFINE).rename(tmp_path / "A.NII.GZ")
    np.testing.assert_array_equal(read_volume(path).array, IMAGE)


def changed(old, new):
    def change(path):
        raw = path.read_bytes()
        assert old in raw
        path.write_bytes(raw.replace(old, new))

    return change


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


NRRD_FAULTS = {
    "not NRRD": (changed(b"NRRD", b"NOPE"), "no NRRD file"),
    "empty": (lambda path: path.write_bytes(b""), "no NRRD file"),
    "no sizes": (changed(b"sizes", b"sozes"), "header is broken"),
    "sizes in words": (changed(b"sizes: 7", b"sizes: x"), "header is broken"),
    "2D": (changed(b"sizes: 7 6 5", b"sizes: 42 5"), "not a 3D scan"),
    "colours": (changed(b"sizes: 7 6 5", b"sizes: 3 7 6 5"), "not a 3D scan"),
    "far too large": (changed(b"sizes: 7 6 5", b"sizes: 9999 9999 9999"), "claims"),
    "larger than the file": (changed(b"sizes: 7 6 5", b"sizes: 70 60 50"), "too short"),
    "no directions": (changed(b"space directions", b"spice directions"), "how the patient lies"),
    "a space without a name": (
        changed(b"space: left-posterior-superior", b"space dimension: 3"),
        "how the patient lies",
    ),
    "no space": (changed(b"space: ", b"spice: "), "how the patient lies"),
    "other encoding": (changed(b"encoding: raw", b"encoding: hex"), "header is broken"),
    "a block type": (changed(b"type: short", b"type: block"), "single numbers"),
    "cut": (cut, "too short|to its end"),
    "spacing 0": (changed(b"(-0.69", b"(0.00"), "voxels measure|right angles|read to its end"),
}
META_FAULTS = {
    "empty": (lambda path: path.write_bytes(b""), "no MetaImage"),
    "no size": (changed(b"DimSize", b"DomSize"), "header is broken"),
    "2D": (changed(b"DimSize = 7 6 5", b"DimSize = 42 5"), "not a 3D scan"),
    "larger than the file": (changed(b"DimSize = 7 6 5", b"DimSize = 70 60 50"), "too short"),
    "far too large": (changed(b"DimSize = 7 6 5", b"DimSize = 9999 9999 9999"), "claims"),
    "no directions": (changed(b"TransformMatrix", b"TransformMatrox"), "how the patient lies"),
    "three channels": (changed(b"NDims", b"ElementNumberOfChannels = 3\nNDims"), "single numbers"),
    "cut": (cut, "too short|to its end"),
    "a file of the system": (changed(b"= LOCAL", b"= /etc/passwd"), "do not lie beside"),
    "a file above": (changed(b"= LOCAL", b"= ../x.raw"), "do not lie beside"),
    "a list of files": (changed(b"= LOCAL", b"= LIST"), "is not there"),
    "a pattern of files": (changed(b"= LOCAL", b"= %03d.raw 1 5 1"), "is not there"),
}


@pytest.mark.parametrize("name", NRRD_FAULTS)
def test_bad_nrrd(tmp_path, name):
    change, words = NRRD_FAULTS[name]
    path = write(tmp_path / "scan.nrrd")
    change(path)
    with pytest.raises(UserError, match=words) as caught:
        read_volume(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("name", META_FAULTS)
def test_bad_meta_image(tmp_path, name):
    change, words = META_FAULTS[name]
    path = write(tmp_path / "scan.mha")
    change(path)
    with pytest.raises(UserError, match=words) as caught:
        read_volume(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret.raw", "./../secret.raw"])
def test_voxels_elsewhere_are_never_opened(tmp_path, target):
    (tmp_path / "secret.raw").write_bytes(bytes(10_000))
    path = write(tmp_path / "in" / "scan.nhdr")
    changed(b"data file: scan.raw", f"data file: {target}".encode())(path)
    with pytest.raises(UserError, match="do not lie beside"):
        read_volume(path)


def test_a_link_as_the_file_of_the_voxels(tmp_path):
    (tmp_path / "secret.raw").write_bytes(bytes(10_000))
    path = write(tmp_path / "in" / "scan.mhd")
    (path.parent / "scan.raw").unlink()
    (path.parent / "scan.raw").symlink_to(tmp_path / "secret.raw")
    with pytest.raises(UserError, match="do not lie beside"):
        read_volume(path)


def test_a_bomb_is_not_unpacked(tmp_path):
    path = write(tmp_path / "scan.nrrd", packed=True)
    head = path.read_bytes().partition(b"\n\n")[0]
    head = head.replace(b"sizes: 7 6 5", b"sizes: 1000 1000 1000")
    path.write_bytes(head + b"\n\n" + gzip.compress(bytes(2**26)) * 32)
    with pytest.raises(UserError, match="voxels take"):
        read_volume(path)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_fuzzed_headers_raise_nothing_but_user_errors(tmp_path, ending):
    generator = np.random.default_rng(0)
    sound = write(tmp_path / f"sound{ending}").read_bytes()
    path, refused = tmp_path / f"fuzzed{ending}", 0
    for _ in range(200):
        raw = bytearray(sound)
        for position in generator.integers(0, 300, size=generator.integers(1, 5)):
            raw[position] = generator.integers(32, 127)
        path.write_bytes(bytes(raw))
        try:
            assert read_volume(path).array.ndim == 3
        except UserError:
            refused += 1
    assert 20 < refused < 200


@pytest.mark.parametrize("ending", [".hdr", ".img", ".HDR"])
def test_analyze_is_refused_with_advice(tmp_path, ending):
    (tmp_path / f"a{ending}").write_bytes(bytes(348))
    with pytest.raises(UserError, match="left from right") as caught:
        read_volume(tmp_path / f"a{ending}")
    assert "NIfTI" in caught.value.fix


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 99\n", "git lfs pull"),
        (b"../.git/annex/objects/aa/bb/SHA256E-s1--2.nii.gz", "git annex get"),
    ],
)
def test_pointers_to_files_that_were_not_fetched(tmp_path, content, words):
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(UserError, match="pointer to a file") as caught:
        read_volume(tmp_path / "a.nii.gz")
    assert words in caught.value.fix


def test_a_link_into_an_annex_that_was_not_fetched(tmp_path):
    (tmp_path / "a.nii.gz").symlink_to("../.git/annex/objects/x/y/SHA256E-s1--2.nii.gz")
    with pytest.raises(UserError, match="git-annex has not fetched"):
        read_volume(tmp_path / "a.nii.gz")
