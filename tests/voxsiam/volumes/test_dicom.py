import gzip
import shutil
import struct
import zlib

import numpy as np
import pytest

from tests.dicom_files import (
    BIG,
    CONTOURS,
    DEFLATED,
    ENHANCED_CT,
    FRAMES,
    IMAGE_TYPE,
    IMPLICIT,
    INTERCEPT,
    LITTLE,
    MODALITY,
    NUMBER,
    ORIENTATION,
    PATIENT,
    PIXEL_SPACING,
    POSITION,
    SECONDARY_CAPTURE,
    SERIES,
    SLOPE,
    SOP_CLASS,
    nested,
    write_series,
    write_slice,
)
from tests.nifti_files import ALL_AXES, phantom_ct, ras_affine, reoriented, write_scan
from voxsiam.errors import UserError
from voxsiam.volumes.dicom import holds_dicom, read_dicom
from voxsiam.volumes.dicom_file import check_file
from voxsiam.volumes.nifti import read_nifti
from voxsiam.volumes.orientation import axis_order, to_canonical

IMAGE, _ = phantom_ct((7, 6, 5))
AFFINE = ras_affine((0.7, 0.8, 3.0), (-11.0, 22.0, -33.0))
VOLUME = IMAGE.transpose(2, 1, 0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "Mueller^Hans 19600229"


def canonical(scan):
    return to_canonical(scan.array, axis_order(scan.affine))


def world_of(affine, index):
    return (affine @ [*index, 1])[:3]


@pytest.mark.parametrize(("axes", "signs"), ALL_AXES)
def test_a_series_is_the_nifti_of_the_same_volume(folder, tmp_path, axes, signs):
    """Slices in any of the 48 ways of lying, negated cosines included."""
    stored, affine = reoriented(IMAGE, AFFINE, axes, signs)
    write_series(folder, stored.transpose(2, 1, 0), affine)
    scan = read_dicom(folder)
    nifti = read_nifti(write_scan(tmp_path / "same.nii.gz", IMAGE, AFFINE))
    np.testing.assert_array_equal(canonical(scan), canonical(nifti))
    # The affine belongs to the array: the same voxel lies at the same place.
    where = np.argwhere(scan.array == scan.array.max())[0]
    there = np.argwhere(IMAGE.max() == IMAGE)[0]
    np.testing.assert_allclose(world_of(scan.affine, where), world_of(AFFINE, there), atol=1e-6)


def test_oblique_slices_keep_their_directions(folder):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    tip = np.eye(4)
    tip[1:3, 1:3] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    affine = turn @ tip @ AFFINE
    write_series(folder, VOLUME, affine)
    scan = read_dicom(folder)
    if np.linalg.det(scan.affine) * np.linalg.det(affine) < 0:
        pytest.fail("the series was mirrored")
    for corner in ((0, 0, 0), (6, 5, 4), (6, 0, 4)):
        np.testing.assert_allclose(
            world_of(scan.affine, corner), world_of(affine, corner), atol=1e-6
        )
    np.testing.assert_array_equal(scan.array, IMAGE)


@pytest.mark.parametrize("syntax", [IMPLICIT, LITTLE, BIG, DEFLATED])
def test_transfer_syntaxes(folder, syntax):
    write_series(folder, VOLUME, AFFINE, transfer_syntax=syntax)
    np.testing.assert_array_equal(read_dicom(folder).array, IMAGE)


def run_length_encoded(pixels):
    """Pieces of compressed pixels: an empty table of offsets, then one frame of two segments."""
    high_and_low = (pixels.astype(">i2", order="C").view(np.uint8)[:, part::2] for part in (0, 1))
    columns = pixels.shape[1]
    segments = [
        b"".join(bytes([columns - 1]) + row.tobytes() for row in plane) for plane in high_and_low
    ]
    starts = struct.pack("<3I", 2, 64, 64 + len(segments[0])).ljust(64, b"\0")
    frame = starts + b"".join(segments)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame
    return struct.pack("<HHI", 0xFFFE, 0xE000, 0) + item + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def test_compressed_pixels(folder):
    image, _ = phantom_ct((20, 18, 5))  # the library cannot unpack slices as small as the others
    volume = image.transpose(2, 1, 0)
    packed = {
        number: {(0x7FE0, 0x0010): ("OB", run_length_encoded(pixels + 1024))}
        for number, pixels in enumerate(volume)
    }
    syntax = "1.2.840.10008.1.2.5"
    paths = write_series(folder, volume, AFFINE, changed=packed, transfer_syntax=syntax)
    np.testing.assert_array_equal(read_dicom(folder).array, image)
    paths[2].write_bytes(paths[2].read_bytes()[:-30])
    with pytest.raises(UserError, match="damaged or cut short"):
        check_file(paths[2])


def test_a_deflated_slice_that_is_too_large_is_not_unpacked(folder):
    path = write_series(folder, VOLUME, AFFINE, transfer_syntax=DEFLATED)[0]
    raw = path.read_bytes()
    start = raw.index(DEFLATED.encode()) + len(DEFLATED)
    packer = zlib.compressobj(wbits=-15)
    path.write_bytes(raw[:start] + packer.compress(bytes(2**27)) + packer.flush())
    with pytest.raises(UserError, match="damaged or cut short"):
        check_file(path)


@pytest.mark.parametrize("undefined", [True, False])
def test_sequences_in_the_header_are_no_obstacle(folder, undefined):
    write_series(folder, VOLUME, AFFINE, tags={(0x0008, 0x1140): ("SQ", nested(undefined))})
    np.testing.assert_array_equal(read_dicom(folder).array, IMAGE)


def test_the_order_of_the_files_does_not_matter(folder):
    write_series(folder, VOLUME, AFFINE, names=["e", "b", "a", "d", "c"])
    np.testing.assert_array_equal(read_dicom(folder).array, IMAGE)


def test_each_slice_is_rescaled_by_its_own_numbers(folder):
    changed = {2: {SLOPE: ("DS", "2"), INTERCEPT: ("DS", "-24")}}
    write_series(folder, VOLUME, AFFINE, changed=changed)
    array = read_dicom(folder).array
    np.testing.assert_array_equal(array[:, :, 2], 2 * (IMAGE[:, :, 2] + 1024) - 24)
    np.testing.assert_array_equal(array[:, :, 1], IMAGE[:, :, 1])
    assert array.dtype == np.int16


def test_what_is_no_slice_is_left_out_and_noted(folder):
    write_series(folder, VOLUME, AFFINE)
    write_slice(folder / "scout", VOLUME[0], {IMAGE_TYPE: ("CS", "ORIGINAL\\PRIMARY\\LOCALIZER")})
    write_slice(folder / "dose", VOLUME[0], {SOP_CLASS: ("UI", SECONDARY_CAPTURE)})
    write_slice(folder / "two", VOLUME[0], {SERIES: ("UI", "1.2.3")})
    (folder / "DICOMDIR.txt").write_text("no slice")
    contours = write_slice(folder / "rtstruct", VOLUME[0], {SOP_CLASS: ("UI", CONTOURS)})
    contours.write_bytes(contours.read_bytes()[:-9])
    scan = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, IMAGE)
    assert any("left out" in note for note in scan.notes)
    assert any("1 CT series of less than 3" in note for note in scan.notes)


def without(*numbers):
    def change(folder):
        for path, number in zip(sorted(folder.iterdir()), range(99), strict=False):
            if number in numbers:
                path.unlink()

    return change


def with_changed(number, tag, value):
    def change(folder):
        shutil.rmtree(folder)
        write_series(folder, VOLUME, AFFINE, changed={number: {tag: value}})

    return change


def with_tags(tags, **options):
    def change(folder):
        shutil.rmtree(folder)
        write_series(folder, VOLUME, AFFINE, tags=tags, **options)

    return change


def tilted(degrees):
    def change(folder):
        shutil.rmtree(folder)
        affine = AFFINE.copy()
        affine[1, 2] = 3 * np.tan(np.radians(degrees))
        write_series(folder, VOLUME, affine)

    return change


def second_series(folder):
    write_series(folder, VOLUME[:4], AFFINE, uid="1.2.3", names=["p", "q", "r", "s"])


def second_phase(folder):
    write_series(folder, VOLUME, AFFINE, names=["p", "q", "r", "s", "t"])


def cut(part):
    def change(folder):
        path = sorted(folder.iterdir())[1]
        path.write_bytes(path.read_bytes()[:part])

    return change


def with_length(element, length, size):
    """Let an element of one slice claim another length."""

    def change(folder):
        path = sorted(folder.iterdir())[1]
        raw = path.read_bytes()
        at = raw.index(element) + len(element)
        path.write_bytes(raw[:at] + length.to_bytes(size, "little") + raw[at + size :])

    return change


def emptied(folder):
    without(*range(5))(folder)


def only_notes(folder):
    emptied(folder)
    (folder / "notes.txt").write_text("x")


def last_files(change, count=2):
    """Spoil the files at the upper end, where no gap of positions shows it."""

    def spoil(folder):
        for path in sorted(folder.iterdir())[-count:]:
            change(path)

    return spoil


def emptied_file(path):
    path.write_bytes(b"")


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def overwritten(path):
    path.write_bytes(b"x" * path.stat().st_size)


UNITS, INSTANCE, ANNOUNCED = (0x0028, 0x1054), (0x0020, 0x0013), (0x0020, 0x1002)

BAD_SERIES = {
    "empty files at an end": (
        last_files(emptied_file),
        r"2 of 5 .* \(2 empty\): IM0003, IM0004",
    ),
    "zeros at an end": (
        last_files(zeroed),
        r"2 of 5 files .* \(2 all zeros\)",
    ),
    "cut before the first group": (
        last_files(lambda p: p.write_bytes(p.read_bytes()[:100])),
        r"\(2 all zeros\)",
    ),
    "cut and not of zeros": (last_files(lambda p: p.write_bytes(b"x" * 100)), r"\(2 cut short\)"),
    "overwritten": (last_files(overwritten, 1), r"1 of 5 .* \(1 no DICOM\): IM0004"),
    "an empty file beside": (lambda folder: (folder / "x").touch(), r"\(1 empty\): x"),
    "half a gzip": (
        last_files(lambda p: p.write_bytes(gzip.compress(p.read_bytes())[:-99]), 1),
        "damaged or cut short",
    ),
    "iodine": (with_tags({UNITS: ("LO", "MGML")}), "units are MGML"),
    "a map by its type": (
        with_tags({IMAGE_TYPE: ("CS", "DERIVED\\SECONDARY\\AXIAL\\IODINE")}),
        "image type is",
    ),
    "a map of effective Z": (
        with_tags({IMAGE_TYPE: ("CS", "DERIVED\\PRIMARY\\Z_EFF\\DENSITY")}),
        "image type is",
    ),
    "units left open, values from 0 on": (
        lambda folder: write_series(folder, np.abs(VOLUME), AFFINE, tags={UNITS: ("LO", "US")}),
        "does not say in which units",
    ),
    "no files": (emptied, "0 DICOM files"),
    "no DICOM": (only_notes, "0 DICOM files"),
    "one slice missing": (without(2), "1 slice is missing: 6 mm from IM0001, elsewhere 3 mm"),
    "two slices missing": (without(2, 3), "distance|slices? (is|are) missing"),
    "two slices": (without(0, 1, 2), "longest CT series has 2"),
    "doubled": (second_phase, "slices are doubled"),
    "two series": (second_series, r"2 CT series: series 3 of 5 slices 6x7, as in IM0000; .* 4 "),
    "uneven": (
        with_changed(2, POSITION, ("DS", "11\\-22\\-25.5")),
        "The distance of slices changes",
    ),
    "tilt": (tilted(15), r"15\.0 degrees \(gantry tilt\)"),
    "small tilt": (tilted(-1), r"1\.0 degrees"),
    "other pixel spacing": (with_changed(1, PIXEL_SPACING, ("DS", "0.8\\0.71")), "differs from"),
    "other orientation": (with_changed(1, ORIENTATION, ("DS", "1\\0\\0\\0\\1\\0")), "differs"),
    "sheared": (with_tags({ORIENTATION: ("DS", "1\\0\\0\\0.1\\1\\0")}), "right angles"),
    "pixels of 0 mm": (with_tags({PIXEL_SPACING: ("DS", "0\\0")}), "measure 0 x 0 mm"),
    "no position": (with_changed(3, POSITION, None), "where in the patient"),
    "half a position": (with_changed(3, POSITION, ("DS", "1\\2")), "where in the patient"),
    "position in words": (with_changed(3, POSITION, ("DS", "a\\b\\c")), "where in the patient"),
    "position infinite": (with_changed(3, POSITION, ("DS", "1\\2\\inf")), "where in the patient"),
    "no orientation": (with_tags({ORIENTATION: None}), "where in the patient"),
    "no rescale slope": (with_changed(3, SLOPE, None), "Hounsfield"),
    "no rescale intercept": (with_tags({INTERCEPT: None}), "Hounsfield"),
    "not CT": (with_tags({MODALITY: ("CS", "MR")}), "none of them is a CT slice"),
    "screenshots": (with_tags({SOP_CLASS: ("UI", SECONDARY_CAPTURE)}), "none of them is a CT"),
    "scouts": (with_tags({IMAGE_TYPE: ("CS", "DERIVED\\SECONDARY\\LOCALIZER")}), "none of them"),
    "enhanced": (with_tags({SOP_CLASS: ("UI", ENHANCED_CT)}), "enhanced CT"),
    "multi-frame": (with_tags({FRAMES: ("IS", 5)}), "enhanced CT|damaged"),
    "cut in the pixels": (cut(-10), "damaged or cut short"),
    "cut in the header": (cut(250), "damaged or cut short"),
    "cut in the first group": (cut(140), "damaged or cut short"),
    "4 GiB of text": (with_length(b"\x10\0\x10\0PN", 0xFFFE, 2), "damaged or cut short"),
    "3 GB of pixels": (with_length(b"\xe0\x7f\x10\0OW\0\0", 3 * 10**9, 4), "damaged or cut"),
    "unknown form of writing": (
        with_tags({}, transfer_syntax="1.2.840.10008.1.2.99"),
        "damaged or cut short",
    ),
    "unknown representation": (with_tags({(0x0009, 1): ("ZZ", "x")}), "damaged or cut short"),
    "65535 rows": (with_changed(1, (0x0028, 0x0010), ("US", 65535)), "damaged or cut short"),
}


@pytest.mark.parametrize("name", BAD_SERIES)
def test_bad_series_are_refused_without_naming_the_patient(folder, name):
    change, words = BAD_SERIES[name]
    write_series(folder, VOLUME, AFFINE)
    change(folder)
    with pytest.raises(UserError, match=words) as caught:
        read_dicom(folder)
    assert caught.value.where.startswith(str(folder))
    assert caught.value.fix
    for word in (*PATIENT, "1.2.826"):
        assert word not in caught.value.what + caught.value.fix


def gzipped(path):
    path.write_bytes(gzip.compress(path.read_bytes()))


def renamed_gz(path):
    gzipped(path)
    path.rename(f"{path}.gz")


def without_preamble(path):
    path.write_bytes(path.read_bytes()[132:])


def without_first_group(path):
    raw = path.read_bytes()
    path.write_bytes(raw[raw.index(b"\x08\0\x08\0") :])


@pytest.mark.parametrize("change", [gzipped, renamed_gz, without_preamble, without_first_group])
@pytest.mark.parametrize("count", [2, 5])
def test_files_that_other_readers_pass_over_are_slices(folder, change, count):
    write_series(folder, VOLUME, AFFINE)
    last_files(change, count)(folder)
    scan = read_dicom(folder)
    np.testing.assert_array_equal(scan.array, IMAGE)
    assert scan.notes == ()


def test_implicit_values_without_a_first_group(folder):
    write_series(folder, VOLUME, AFFINE, transfer_syntax=IMPLICIT)
    last_files(without_first_group, 5)(folder)
    np.testing.assert_array_equal(read_dicom(folder).array, IMAGE)


def test_a_gzipped_file_larger_than_any_slice_is_not_unpacked(folder):
    write_series(folder, VOLUME, AFFINE)
    bomb = gzip.compress(bytes(2**26), mtime=0) * 5
    start = sorted(folder.iterdir())[0].read_bytes()
    (folder / "IM0004").write_bytes(gzip.compress(start) + bomb)
    with pytest.raises(UserError, match="damaged or cut short"):
        read_dicom(folder)


@pytest.mark.parametrize("step", [0.625, 1.25, 0.75, 2.5])
@pytest.mark.parametrize("slices", [5, 40])
def test_positions_rounded_to_one_decimal(folder, step, slices):
    """0.625 becomes 0.6 or 0.7: single steps differ by a tenth of their length and more."""
    volume = np.resize(VOLUME, (slices, *VOLUME.shape[1:]))
    changed = {n: {POSITION: ("DS", f"11\\-22\\{-33 + n * step:.1f}")} for n in range(slices)}
    write_series(folder, volume, AFFINE, changed=changed)
    assert read_dicom(folder).affine[2, 2] == pytest.approx(step, abs=0.1 / (slices - 1))


@pytest.mark.parametrize("missing", [1, 7, 18])
def test_rounding_hides_no_gap(folder, missing):
    volume = np.resize(VOLUME, (20, *VOLUME.shape[1:]))
    changed = {n: {POSITION: ("DS", f"11\\-22\\{-33 + n * 0.625:.1f}")} for n in range(20)}
    write_series(folder, volume, AFFINE, changed=changed)
    sorted(folder.iterdir())[missing].unlink()
    with pytest.raises(UserError, match=r"missing|distance of slices changes"):
        read_dicom(folder)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({n: {INSTANCE: ("IS", n + 1 + 2 * (n > 2))} for n in range(5)}, "numbers skip 2"),
        ({n: {INSTANCE: ("IS", n + 21)} for n in range(5)}, "begin at 21"),
        (
            {n: {INSTANCE: ("IS", n + 1), ANNOUNCED: ("IS", 8)} for n in range(5)},
            "have 8 images",
        ),
    ],
)
def test_numbers_that_let_doubt_are_told(folder, changed, words):
    write_series(folder, VOLUME, AFFINE, changed=changed)
    (note,) = read_dicom(folder).notes
    assert words in note


def test_what_is_no_dicom_is_named(folder):
    write_series(folder, VOLUME, AFFINE)
    (folder / "report.pdf").write_bytes(b"%PDF" + bytes(200))
    (folder / ".hidden").write_bytes(b"x")
    assert read_dicom(folder).notes == ("1 files left out that are no DICOM: report.pdf",)


def test_slices_of_one_value_are_told(folder):
    volume = VOLUME.copy()
    volume[4] = -1024
    write_series(folder, volume, AFFINE)
    assert read_dicom(folder).notes == ("1 slices hold one value everywhere: IM0004",)


def test_series_without_number_can_be_told_apart(folder):
    write_series(folder, VOLUME, AFFINE, tags={NUMBER: None})
    second_series(folder)
    with pytest.raises(UserError, match="series without num"):
        read_dicom(folder)


def test_small_rounding_of_positions_is_no_gap(folder):
    rounded = {2: {POSITION: ("DS", "11\\-22\\-27.1")}}
    write_series(folder, VOLUME, AFFINE, changed=rounded)
    assert read_dicom(folder).affine[2, 2] == pytest.approx(3.0)


def test_folders_that_hold_dicom_are_recognised(folder, tmp_path):
    write_series(folder, VOLUME, AFFINE)
    assert holds_dicom(folder)
    assert not holds_dicom(tmp_path)


def test_broken_files_raise_nothing_but_user_errors(folder):
    paths = write_series(folder, VOLUME, AFFINE)
    generator = np.random.default_rng(0)
    sound = paths[1].read_bytes()
    refused = 0
    for _ in range(150):
        raw = bytearray(sound)
        for position in generator.integers(128, len(raw), size=generator.integers(1, 6)):
            raw[position] = generator.integers(0, 256)
        paths[1].write_bytes(bytes(raw))
        try:
            assert read_dicom(folder).array.ndim == 3
        except UserError:
            refused += 1
    assert 30 < refused < 150
