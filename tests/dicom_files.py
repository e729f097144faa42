"""DICOM series made by hand, byte by byte: independent of the library that reads them."""

import struct
import zlib
from pathlib import Path

import numpy as np

CT, SECONDARY_CAPTURE, CONTOURS, ENHANCED_CT = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.481.3",
    "1.2.840.10008.5.1.4.1.1.2.1",
)
IMPLICIT, LITTLE, BIG, DEFLATED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
PATIENT = ("Mueller^Hans", "PID4711", "19600229", "20240131")
"""What must never reach an output: name, number, birthday, day of the scan."""

LONG = {"OB", "OW", "SQ", "UN"}
SLOPE, INTERCEPT, TILT = (0x0028, 0x1053), (0x0028, 0x1052), (0x0018, 0x1120)
POSITION, ORIENTATION, PIXEL_SPACING = (0x0020, 0x0032), (0x0020, 0x0037), (0x0028, 0x0030)
MODALITY, SERIES, IMAGE_TYPE = (0x0008, 0x0060), (0x0020, 0x000E), (0x0008, 0x0008)
SOP_CLASS, FRAMES, NUMBER, SAMPLES = (
    (0x0008, 0x0016),
    (0x0028, 0x0008),
    (0x0020, 0x0011),
    (0x0028, 0x0002),
)


def write_slice(path: Path, pixels, tags, transfer_syntax=LITTLE) -> Path:
    """Write one image; `tags` are (group, element) -> (VR, value), None leaves one out."""
    order = ">" if transfer_syntax == BIG else "<"
    unit = pixels.astype(f"{order}i2")
    standard = {
        SOP_CLASS: ("UI", CT),
        (0x0008, 0x0018): ("UI", f"1.2.826.0.1.9.{zlib.crc32(path.name.encode())}"),
        IMAGE_TYPE: ("CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        (0x0008, 0x0020): ("DA", PATIENT[3]),
        MODALITY: ("CS", "CT"),
        (0x0010, 0x0010): ("PN", PATIENT[0]),
        (0x0010, 0x0020): ("LO", PATIENT[1]),
        (0x0010, 0x0030): ("DA", PATIENT[2]),
        SAMPLES: ("US", 1),
        (0x0028, 0x0004): ("CS", "MONOCHROME2"),
        (0x0028, 0x0010): ("US", pixels.shape[0]),
        (0x0028, 0x0011): ("US", pixels.shape[1]),
        (0x0028, 0x0100): ("US", 16),
        (0x0028, 0x0101): ("US", 16),
        (0x0028, 0x0102): ("US", 15),
        (0x0028, 0x0103): ("US", 1),
        (0x7FE0, 0x0010): ("OW", unit.tobytes()),
    }
    elements = sorted((k, v) for k, v in (standard | tags).items() if v is not None)
    implicit = transfer_syntax == IMPLICIT
    body = b"".join(
        _element(key, vr, value, order, implicit=implicit) for key, (vr, value) in elements
    )
    if transfer_syntax == DEFLATED:
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(body) + packer.flush()
    syntax = _element((0x0002, 0x0010), "UI", transfer_syntax, "<")
    version = _element((0x0002, 0x0001), "OB", b"\0\1", "<")
    kind = _element((0x0002, 0x0002), "UI", tags.get(SOP_CLASS, ("UI", CT))[1], "<")
    meta = version + kind + syntax
    length = _element((0x0002, 0x0000), "UL", len(meta), "<")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM" + length + meta + body)
    return path


def write_series(folder: Path, array_dhw, affine, **options) -> list[Path]:
    """Write a volume whose slices lie along d; `affine` maps (w, h, d) indices to RAS mm.

    Options: `changed` maps a slice's number to tags that differ there; `tags` differ everywhere;
    `transfer_syntax`; `intercept`; `uid` of the series; `names` of the files.
    """
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    columns = np.linalg.norm(lps[:3, :3], axis=0)
    direction = lps[:3, :3] / columns
    intercept = options.get("intercept", -1024)
    written = []
    for index, image in enumerate(array_dhw):
        position = lps[:3, 3] + index * lps[:3, 2]
        tags = {
            SERIES: ("UI", options.get("uid", "1.2.826.0.1.3680043.2.1")),
            NUMBER: ("IS", 3),
            POSITION: ("DS", _decimals(position)),
            ORIENTATION: ("DS", _decimals([*direction[:, 0], *direction[:, 1]])),
            PIXEL_SPACING: ("DS", _decimals([columns[1], columns[0]])),
            SLOPE: ("DS", "1"),
            INTERCEPT: ("DS", str(intercept)),
        }
        tags |= options.get("tags", {}) | options.get("changed", {}).get(index, {})
        name = options["names"][index] if "names" in options else f"IM{index:04d}"
        syntax = options.get("transfer_syntax", LITTLE)
        written.append(write_slice(folder / name, image - intercept, tags, syntax))
    return written


def _decimals(values) -> str:
    return "\\".join(f"{value:.10g}"[:16] for value in values)


def nested(undefined: bool) -> bytes:
    """Return the content of a sequence: one item that holds a sequence and a text."""
    inner = struct.pack("<HH2sHI", 0x0008, 0x1199, b"SQ", 0, 0)
    text = struct.pack("<HH2sH", 0x0008, 0x1155, b"UI", 4) + b"1.2\0"
    if not undefined:
        content = inner + text
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + text + end


def _element(tag, vr, value, order, *, implicit=False) -> bytes:
    if isinstance(value, int):
        value = str(value) if vr == "IS" else struct.pack(order + {"US": "H", "UL": "I"}[vr], value)
    data = value.encode() if isinstance(value, str) else value
    data += (b"\0" if vr in {"UI", "OB", "OW"} else b" ") * (len(data) % 2)
    head = struct.pack(order + "HH", *tag)
    # A sequence of undefined length ends with a delimiter.
    length = 0xFFFFFFFF if data.endswith(b"\xdd\xe0\0\0\0\0") else len(data)
    if implicit:
        return head + struct.pack("<I", length) + data
    head += vr.encode()
    if vr in LONG:
        return head + struct.pack(order + "HI", 0, length) + data
    return head + struct.pack(order + "H", length) + data
