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

from voxsiam.durable_files import write_text_atomically
from voxsiam.errors import UserError, refusal
from voxsiam.types import PAPER_ORGANS
from voxsiam_data.phantom.acquisition import stored
from voxsiam_data.phantom.case import make_phantom

# Raised whenever the same arguments give other voxels.
VERSION = 1
# Threads, not processes: the work is in numpy and zlib, which let others run, and nothing needs to
# be importable by a child. More than two would exceed the memory of a laptop with thin slices.
WORKERS = 2
COLUMNS = ("case_id", "patient_id", "sex", "age", "phase", "pixel_mm", "slice_mm")
Row = tuple[str | float, ...]


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
        directory: New, empty, or an earlier set of the same arguments.
        anatomy: Folder of real label maps `*.nii.gz` (values 0..8) to paint on, case i on map i in
            sorted order, instead of drawn organs. The maps' file stems become the patient ids.
        slice_mm: Least and greatest distance of slices, drawn log-uniformly.
        on_case: Called as on_case(done, cases) after each case, in order.

    Raises:
        UserError: An argument is out of range, the maps do not fit, or the directory is taken.
    """
    _check_arguments(cases, seed, slice_mm)
    maps = None if anatomy is None else _maps(anatomy, cases)
    if _claimed(directory, _arguments(cases, seed, slice_mm, maps)):
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
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *rows])
    write_text_atomically(directory / "patients.csv", table.getvalue())
    write_text_atomically(directory / "dataset.json", _description(cases, maps is not None))


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
        raise refusal(
            anatomy,
            "There are no label maps *.nii.gz here.",
            "name the folder that holds the label maps",
        )
    if cases > len(found):
        raise refusal(
            anatomy,
            f"{cases} cases were asked for, but there are {len(found)} label maps.",
            f"ask for at most {len(found)} cases",
        )
    return found[:cases]


def _arguments(
    cases: int, seed: int, slice_mm: tuple[float, float], maps: list[Path] | None
) -> str:
    """Return as JSON what decides every byte of the set."""
    digests = {m.name: hashlib.sha256(m.read_bytes()).hexdigest() for m in maps} if maps else None
    content = {
        "version": VERSION,
        "cases": cases,
        "seed": seed,
        "slice_mm": [float(v) for v in slice_mm],
        "anatomy_sha256": digests,
    }
    return json.dumps(content, indent=2) + "\n"


def _claimed(directory: Path, arguments: str) -> bool:
    """Take a directory for a set, and tell whether the set is already complete in it."""
    record = directory / "phantom.json"
    try:
        if record.is_file() and record.read_bytes() == arguments.encode():
            return (directory / "dataset.json").is_file()
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise refusal(
                directory,
                "Something else is here already, and it would be overwritten.",
                "name a new or empty directory, or repeat the arguments in its phantom.json",
            )
        for name in ("imagesTr", "labelsTr"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        write_text_atomically(record, arguments)
    except OSError as error:
        raise refusal(
            directory,
            f"This directory cannot be written ({error.strerror}).",
            "name a directory that you may write to",
        ) from error
    return False


def _write_case(
    directory: Path, seed: int, index: int, slice_mm: tuple[float, float], map_path: Path | None
) -> Row:
    """Make and write one case; return its row of patients.csv."""
    phantom = make_phantom(seed, index, slice_mm, map_path)
    patient, scan = phantom.patient, phantom.scan
    # The seed and the kind of anatomy keep the cases of two sets apart.
    name = f"{'phantom' if map_path is None else 'painted'}_s{seed}_{index:03d}"
    _write_image(directory / "imagesTr" / f"{name}_0000.nii.gz", stored(phantom.image, scan))
    _write_image(directory / "labelsTr" / f"{name}.nii.gz", stored(phantom.label, scan))
    patient_id = name if map_path is None else map_path.name.removesuffix(".nii.gz")
    slice_distance, _, pixel = scan.spacing_mm
    return name, patient_id, patient.sex, patient.age, patient.phase, pixel, slice_distance


def _description(cases: int, on_maps: bool) -> str:
    """Return nnU-Net's description of the set."""
    kind = "painted on real label maps" if on_maps else "synthetic"
    content = {
        "name": f"VoxSiam phantoms, {kind}",
        "kind": "semi-synthetic" if on_maps else "phantom",
        "channel_names": {"0": "CT"},
        "labels": {"background": 0} | {name: i for i, name in enumerate(PAPER_ORGANS, start=1)},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
    return json.dumps(content, indent=2) + "\n"


def _write_image(path: Path, image: nib.Nifti1Image) -> None:
    """Write a file whole or not at all, without the time and name that gzip would add."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as stream:
        stream.write(image.to_bytes())
    part.replace(path)
