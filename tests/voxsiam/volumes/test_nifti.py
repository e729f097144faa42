import gzip
import math

import numpy as np
import pytest

from tests.nifti_files import (
    DIM,
    OFFSET,
    PIXDIM,
    QFORM,
    SFORM,
    SFORM_ROWS,
    SLOPE,
    patch,
    ras_affine,
    write_scan,
)
from voxsiam.errors import UserError
from voxsiam.volumes.nifti import read_nifti, write_nifti

ARRAY = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)


@pytest.fixture
def scan(tmp_path):
    return write_scan(tmp_path / "scan.nii.gz", ARRAY, ras_affine((0.7, 0.8, 2.5), (-10, 20, 30)))


@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "leading - ü ß.nii.gz", "x" * 240 + ".nii.gz"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_reads_what_was_written(tmp_path, name, dtype):
    affine = ras_affine((0.7, 0.8, 2.5), (-10, 20, 30))
    write_nifti(tmp_path / name, ARRAY.astype(dtype), affine)
    read = read_nifti(tmp_path / name)
    assert read.array.dtype == dtype
    np.testing.assert_array_equal(read.array, ARRAY)
    np.testing.assert_allclose(read.affine, affine, rtol=1e-6)


def test_drops_trailing_axes_of_one(tmp_path):
    path = write_scan(tmp_path / "a.nii.gz", ARRAY[..., None, None])
    np.testing.assert_array_equal(read_nifti(path).array, ARRAY)


def test_rescales_by_slope_and_intercept(scan):
    patch(scan, (SLOPE, "<2f", 2.0, -1024.0))
    np.testing.assert_array_equal(read_nifti(scan).array, ARRAY * 2.0 - 1024)


@pytest.mark.parametrize("slope", [0.0, math.nan])
def test_slope_that_means_none(scan, slope):
    patch(scan, (SLOPE, "<2f", slope, 5.0))
    np.testing.assert_array_equal(read_nifti(scan).array, ARRAY)


@pytest.mark.parametrize("drift", [1e-6, 1e-3])
def test_accepts_small_drift_between_axes(scan, drift):
    patch(scan, (SFORM_ROWS, "<4f", 0.7, 0.7 * drift, 0.0, 0.0))
    assert read_nifti(scan).array.shape == ARRAY.shape


BROKEN_HEADERS = {
    "affine spacing 1e6": ((SFORM_ROWS, "<f", 1e6), "mm"),
    "affine NaN": ((SFORM_ROWS + 12, "<f", math.nan), "not numbers"),
    "affine singular": ((SFORM_ROWS, "<4f", 0.7, 0.7, 0.7, 0.0), "right angles"),
    "affine of zeros": ((SFORM_ROWS, "<12f", *[0.0] * 12), "mm"),
    "affine sheared": ((SFORM_ROWS, "<4f", 0.7, 0.08, 0.0, 0.0), "right angles"),
    "no orientation": ((QFORM, "<2h", 0, 0), "how the patient lies"),
    "claims 32767^3": ((DIM, "<4h", 3, 32767, 32767, 32767), "voxels"),
    "claims more slices": ((DIM, "<4h", 3, 6, 5, 400), "read to its end"),
    "claims far more": ((DIM, "<4h", 3, 600, 500, 400), "too short"),
    "negative axis": ((DIM, "<4h", 3, 6, -5, 4), "not a 3D scan"),
    "2D": ((DIM, "<4h", 2, 6, 20, 1), "not a 3D scan"),
    "4D": ((DIM, "<5h", 4, 6, 5, 2, 2), "not a 3D scan"),
    "one slice": ((DIM, "<4h", 3, 30, 4, 1), "not a 3D scan"),
    "no axes": ((DIM, "<h", 0), "not a 3D scan"),
    "unknown type": ((70, "<h", 12345), "header is broken"),
    "complex": ((70, "<h", 32), "single numbers"),
    "colours": ((70, "<h", 128), "single numbers"),
    "voxels inside the header": ((OFFSET, "<f", 4.0), "byte 4"),
    "voxels at NaN": ((OFFSET, "<f", math.nan), "header is broken"),
    "voxels far away": ((OFFSET, "<f", 1e12), "byte"),
    "infinite intercept": ((SLOPE, "<2f", 1.0, math.inf), "header is broken"),
    "no magic": ((344, "<4s", b"abcd"), "not a NIfTI"),
}


SPACINGS = [0.0, -1.0, math.nan, math.inf, 1e-6, 1e6]


@pytest.mark.parametrize("spacing", SPACINGS)
def test_an_impossible_spacing_is_refused_where_it_is_used(scan, spacing):
    patch(scan, (PIXDIM + 8, "<f", spacing), (QFORM, "<2h", 1, 0))
    with pytest.raises(UserError, match="mm"):
        read_nifti(scan)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_an_impossible_spacing_is_said_where_the_sform_counts(scan, spacing):
    patch(scan, (PIXDIM + 8, "<f", spacing))
    read = read_nifti(scan)
    np.testing.assert_allclose(read.affine, ras_affine((0.7, 0.8, 2.5), (-10, 20, 30)), rtol=1e-6)
    assert any("no spacing, and is not used" in note for note in read.notes)


@pytest.mark.parametrize("name", BROKEN_HEADERS)
def test_broken_header_names_the_file(scan, name):
    change, words = BROKEN_HEADERS[name]
    patch(scan, change)
    with pytest.raises(UserError, match=words) as caught:
        read_nifti(scan)
    assert caught.value.where == str(scan)
    assert caught.value.fix


def test_qform_counts_where_sform_is_absent(scan):
    patch(scan, (SFORM, "<h", 0), (QFORM, "<h", 1))
    assert np.isfinite(read_nifti(scan).affine).all()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"hello", bytes(2000)])
def test_not_nifti(tmp_path, content):
    for name in ("a.nii", "a.nii.gz"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            read_nifti(path)
        assert caught.value.where == str(path)


def test_missing_file_folder_and_link_to_itself(tmp_path):
    loop = tmp_path / "loop.nii.gz"
    loop.symlink_to(loop)
    for path in (tmp_path / "absent.nii.gz", tmp_path, loop):
        with pytest.raises(UserError, match="does not exist"):
            read_nifti(path)


@pytest.mark.parametrize("tenth", range(10))
def test_truncated_gzip(scan, tenth):
    whole = scan.read_bytes()
    scan.write_bytes(whole[: len(whole) * tenth // 10])
    with pytest.raises(UserError):
        read_nifti(scan)


def test_truncated_by_one_byte_of_the_checksum(scan):
    scan.write_bytes(scan.read_bytes()[:-1])
    with pytest.raises(UserError, match="cannot be read to its end"):
        read_nifti(scan)


def test_wrong_checksum(scan):
    raw = bytearray(scan.read_bytes())
    raw[-8] ^= 1
    scan.write_bytes(bytes(raw))
    with pytest.raises(UserError, match="CRC"):
        read_nifti(scan)


def test_truncated_without_compression(tmp_path):
    path = write_scan(tmp_path / "a.nii", ARRAY)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="too short"):
        read_nifti(path)


def test_more_bytes_than_fit_into_memory_are_refused_unread(tmp_path):
    """A file with a hole: 8 GB of float64 that take no room on the disk."""
    path = write_scan(tmp_path / "a.nii", ARRAY.astype(np.float64))
    patch(path, (DIM, "<4h", 3, 1000, 1000, 1000))
    with path.open("r+b") as stream:
        stream.truncate(352 + 8 * 10**9)
    with pytest.raises(UserError, match="take 8,000,000,000 bytes"):
        read_nifti(path)


def test_name_and_compression_disagree(tmp_path, scan):
    plain = tmp_path / "plain.nii.gz"
    plain.write_bytes(gzip.decompress(scan.read_bytes()))
    packed = tmp_path / "packed.nii"
    packed.write_bytes(scan.read_bytes())
    twice = tmp_path / "twice.nii.gz"
    twice.write_bytes(gzip.compress(scan.read_bytes()))
    for path, words in ((plain, "not gzip"), (packed, "is gzip"), (twice, "not a NIfTI")):
        with pytest.raises(UserError, match=words):
            read_nifti(path)


def test_header_fuzz_raises_nothing_but_user_errors(tmp_path):
    generator = np.random.default_rng(0)
    sound = write_scan(tmp_path / "sound.nii", ARRAY).read_bytes()
    path = tmp_path / "fuzzed.nii"
    refused = 0
    for _ in range(400):
        raw = bytearray(sound)
        for position in generator.integers(0, 344, size=generator.integers(1, 6)):
            raw[position] = generator.integers(0, 256)
        path.write_bytes(bytes(raw))
        try:
            assert read_nifti(path).array.ndim == 3
        except UserError:
            refused += 1
    assert 50 < refused < 400
