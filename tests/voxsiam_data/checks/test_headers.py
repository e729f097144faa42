"""Patient data in headers: fields are named, what they hold is never told."""

import gzip
import struct

import numpy as np
import pytest

from tests.dicom_files import PATIENT, write_series
from tests.nifti_files import patch, phantom_ct, write_scan
from voxsiam_data.checks.headers import DICOM_TAGS, dicom_fields, header_fields, nifti_fields

DESCRIP, AUX_FILE, DB_NAME, INTENT_NAME = 148, 228, 14, 328
NAME = PATIENT[0].encode()


@pytest.fixture
def scan(tmp_path):
    return write_scan(tmp_path / "scan.nii.gz", phantom_ct()[0])


def with_extension(path, code, content):
    """Put an extension between header and voxels, by hand."""
    raw = gzip.decompress(path.read_bytes())
    size = -(-(8 + len(content)) // 16) * 16
    block = struct.pack("<ii", size, code) + content.ljust(size - 8, b"\0")
    header = bytearray(raw[:348])
    struct.pack_into("<f", header, 108, 352 + size)
    path.write_bytes(gzip.compress(bytes(header) + b"\1\0\0\0" + block + raw[352:]))
    return path


def test_a_plain_file_holds_none(scan):
    assert nifti_fields(scan) == []


@pytest.mark.parametrize(
    ("offset", "text", "expected"),
    [
        (DESCRIP, NAME, ["descrip"]),
        (AUX_FILE, NAME, ["aux_file"]),
        (DB_NAME, NAME, ["db_name"]),
        (INTENT_NAME, NAME, ["intent_name"]),
        (DESCRIP, b"FSL5.0", []),
        (DESCRIP, b"6.0.5:9e026117", []),
        (DESCRIP, b"TE=1.2;Time=101112.000", []),
        (DESCRIP, b"SPM Hans M\xfcller", ["descrip"]),
        (DESCRIP, b"dcm2niix v1.0.20210317", []),
        (DESCRIP, b"Spmidt, Hans", ["descrip"]),
        (DESCRIP, b"  ", []),
    ],
)
def test_free_text_that_no_software_writes(scan, offset, text, expected):
    assert nifti_fields(patch(scan, (offset, f"{len(text)}s", text))) == expected


@pytest.mark.parametrize(
    ("code", "content", "expected"),
    [
        (6, NAME, ["header extension (comment)"]),
        (2, NAME, ["header extension (DICOM)"]),
        (44, NAME, ["header extension (code 44)"]),
        (6, b"", []),
    ],
)
def test_extensions(scan, code, content, expected):
    assert nifti_fields(with_extension(scan, code, content)) == expected


def test_a_damaged_extension_ends_the_search(scan):
    path = with_extension(scan, 6, NAME)
    assert nifti_fields(patch(path, (352, "<i", 3))) == []
    assert nifti_fields(patch(path, (352, "<i", 2**31 - 1))) == ["header extension (comment)"]


def test_elements_of_a_series(tmp_path):
    array = np.zeros((3, 8, 8), np.int16)
    paths = write_series(tmp_path / "ct", array, np.diag([1.0, 1, 2, 1]))
    fields = dicom_fields(paths)
    assert set(fields) == {"PatientName", "PatientID", "PatientBirthDate", "StudyDate"}
    assert header_fields(tmp_path / "ct", tuple(paths)) == fields
    assert set(fields) <= set(DICOM_TAGS.values())
    tags = {(0x0012, 0x0062): ("CS", "YES")}
    removed = write_series(tmp_path / "safe", array, np.diag([1.0, 1, 2, 1]), tags=tags)
    assert dicom_fields(removed) == []
