"""Write a phantom data set in the layout of nnU-Net.

Run:     voxsiam data phantom
Layout:  imagesTr/CASE_0000.nii.gz  labelsTr/CASE.nii.gz  dataset.json  patients.csv  phantom.json
"""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib

from voxsiam.errors import UserError
from voxsiam.types import ORGANS
from voxsiam_data.phantom.acquisition import stored
from voxsiam_data.phantom.case import Phantom, make_phantom

# Raised whenever the same arguments give other voxels.
VERSION = 1
# Threads, not processes: the work is in numpy and zlib, which let others run, and nothing needs to
# be importable by a child. More than two would exceed the memory of a laptop with thin slices.
WORKERS = 2
COLUMNS = ("case_id", "patient_id", "sex", "age", "phase", "pixel_mm", "slice_mm")
Row = tuple[str, ...]


def write_phantoms(
    directory: Path,
    *,
    cases: int,
    seed: int,
    anatomy: Path | None = None,
    slice_mm: tuple[float, float] = (0.5, 5.0),
    on_case: Callable[[int, int], None] | None = None,
) -> None:
    """Write synthetic abdominal CTs with labels; the same arguments give the same bytes.

    Case i depends on the seed and on i alone. A complete set of the same arguments is left as it
    is; an interrupted one is written anew.

    Args:
        directory: Where to write; new, empty, or an earlier set of the same arguments.
        seed: Seed of the set; it is part of the case ids.
        anatomy: Folder of real label maps `*.nii.gz` (values 0..8) to paint on, case i on map i in
            sorted order, instead of drawn organs. The maps' file stems become the patient ids.
        slice_mm: Least and greatest distance of slices, drawn log-uniformly.
        on_case: Called as on_case(done, cases) after each case, in order.

    Raises:
        UserError: An argument is out of range, the maps do not fit, or the directory is taken.
    """
    _check_arguments(cases, seed, slice_mm)
    maps = None if anatomy is None else _maps(anatomy, cases)
    arguments = _arguments(cases, seed, slice_mm, maps)
    if _claimed(directory, arguments):
        return
    rows: list[Row] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        jobs = [
            pool.submit(_write_case, directory, seed, i, slice_mm, maps[i] if maps else None)
            for i in range(cases)
        ]
        try:
            for done, job in enumerate(jobs, start=1):
                rows.append(job.result())
                if on_case:
                    on_case(done, cases)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _replace(directory / "patients.csv", _csv_bytes(rows))
    _replace(directory / "dataset.json", _json_bytes(_description(cases, maps is not None)))


def case_id(seed: int, index: int, on_map: bool) -> str:
    """Name a case: the seed and the kind of anatomy keep two sets apart."""
    return f"{'painted' if on_map else 'phantom'}_s{seed}_{index:03d}"


def _check_arguments(cases: int, seed: int, slice_mm: tuple[float, float]) -> None:
    """Refuse numbers that give no data set."""
    if cases < 1:
        raise UserError(f"{cases} cases is no data set.", where="cases", fix="ask for 1 or more")
    if seed < 0:
        raise UserError(f"The seed {seed} is negative.", where="seed", fix="use 0 or more")
    if not 0.3 <= slice_mm[0] <= slice_mm[1] <= 10:
        raise UserError(
            f"Slices of {slice_mm[0]} to {slice_mm[1]} mm cannot be drawn.",
            where="slice_mm",
            fix="give least and greatest distance between 0.3 and 10 mm, for instance 3 5",
        )


def _maps(anatomy: Path, cases: int) -> list[Path]:
    """Return the first label maps of a folder in sorted order."""
    found = sorted(anatomy.glob("*.nii.gz")) if anatomy.is_dir() else []
    if not found:
        raise UserError(
            "There are no label maps *.nii.gz here.",
            where=str(anatomy),
            fix="name the folder that holds the label maps",
        )
    if cases > len(found):
        raise UserError(
            f"{cases} cases were asked for, but there are {len(found)} label maps.",
            where=str(anatomy),
            fix=f"ask for at most {len(found)} cases",
        )
    return found[:cases]


def _arguments(
    cases: int, seed: int, slice_mm: tuple[float, float], maps: list[Path] | None
) -> dict:
    """Return what decides every byte of the set."""
    digests = {m.name: hashlib.sha256(m.read_bytes()).hexdigest() for m in maps} if maps else None
    return {
        "version": VERSION,
        "cases": cases,
        "seed": seed,
        "slice_mm": [float(v) for v in slice_mm],
        "anatomy_sha256": digests,
    }


def _claimed(directory: Path, arguments: dict) -> bool:
    """Take a directory for a set, and tell whether the set is already complete in it."""
    record = directory / "phantom.json"
    try:
        if record.is_file() and record.read_bytes() == _json_bytes(arguments):
            return (directory / "dataset.json").is_file()
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UserError(
                "Something else is here already, and it would be overwritten.",
                where=str(directory),
                fix="name a new or empty directory, or repeat the arguments in its phantom.json",
            )
        for name in ("imagesTr", "labelsTr"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        _replace(record, _json_bytes(arguments))
    except OSError as error:
        raise UserError(
            f"This directory cannot be written ({error.strerror}).",
            where=str(directory),
            fix="name a directory that you may write to",
        ) from error
    return False


def _write_case(
    directory: Path, seed: int, index: int, slice_mm: tuple[float, float], map_path: Path | None
) -> Row:
    """Make and write one case; return its row of patients.csv."""
    phantom = make_phantom(seed, index, slice_mm, map_path)
    name = case_id(seed, index, map_path is not None)
    image = stored(phantom.image, phantom.scan)
    _replace(directory / "imagesTr" / f"{name}_0000.nii.gz", _gzip_bytes(image))
    _replace(
        directory / "labelsTr" / f"{name}.nii.gz", _gzip_bytes(stored(phantom.label, phantom.scan))
    )
    patient_id = name if map_path is None else map_path.name.removesuffix(".nii.gz")
    return _row(name, patient_id, phantom)


def _row(name: str, patient_id: str, phantom: Phantom) -> Row:
    """Return the columns of patients.csv."""
    patient, spacing = phantom.patient, phantom.scan.spacing_mm
    numbers = (str(spacing[1]), str(spacing[0]))
    return (name, patient_id, patient.sex, str(patient.age), patient.phase, *numbers)


def _description(cases: int, on_maps: bool) -> dict:
    """Return nnU-Net's description of the set."""
    labels = {"background": 0} | {name: i for i, name in enumerate(ORGANS, start=1)}
    kind = "painted on real label maps" if on_maps else "synthetic"
    return {
        "name": f"VoxSiam phantoms, {kind}",
        "kind": "semi-synthetic" if on_maps else "phantom",
        "channel_names": {"0": "CT"},
        "labels": labels,
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }


def _gzip_bytes(image: nib.Nifti1Image) -> bytes:
    """Return a NIfTI file, packed without the time and name that gzip would add."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=packed, mtime=0) as stream:
        stream.write(image.to_bytes())
    return packed.getvalue()


def _json_bytes(content: dict) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _csv_bytes(rows: list[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
