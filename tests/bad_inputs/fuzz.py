"""Mutated headers: whatever a reader is given, it returns a scan or raises a UserError.

300 NIfTI and 60 DICOM headers are part of the tests. By hand, from the top of the repository:

    .venv/bin/python -m tests.bad_inputs.fuzz --nifti 10000 --dicom 2000

A header that crashes the process stays in the folder that is printed first.
"""

import argparse
import gzip
import resource
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.dicom_files import BIG, DEFLATED, IMPLICIT, LITTLE, nested, write_series
from tests.nifti_files import phantom_ct, ras_affine, write_scan
from voxsiam.errors import UserError
from voxsiam.volumes.dicom import read_dicom
from voxsiam.volumes.nifti import read_nifti
from voxsiam.volumes.orientation import axis_order

MEMORY_BYTES = 2**30
"""What reading may take beyond what the process has; every sound file here is below 10 KB."""

HEADER_BYTES = 352
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f", b"\0\0\x80\x7f")
IMAGE, _ = phantom_ct((7, 6, 5))
AFFINE = ras_affine((0.7, 0.8, 3.0), (-11.0, 22.0, -33.0))


@dataclass
class Figures:
    """What came of some mutants."""

    read: int = 0
    refused: int = 0
    longest_s: float = 0.0

    def count(self, *, refused: bool, seconds: float) -> None:
        self.refused += refused
        self.read += not refused
        self.longest_s = max(self.longest_s, seconds)


def mutated(sound: bytes, start: int, stop: int, generator: np.random.Generator) -> bytes:
    """Change one to five places: a random byte, or four bytes that are 0, -1, huge, NaN, inf."""
    raw = bytearray(sound)
    for place in generator.integers(start, stop, size=generator.integers(1, 6)).tolist():
        if generator.random() < 0.5:
            raw[place] = generator.integers(0, 256)
        else:
            at = min(start + (place - start) // 4 * 4, len(raw) - 4)
            raw[at : at + 4] = EXTREMES[generator.integers(len(EXTREMES))]
    return bytes(raw)


def nifti_mutants(folder: Path, count: int, seed: int = 0) -> Iterator[Path]:
    """Write one mutant after the other, plain and compressed in turn."""
    generator = np.random.default_rng(seed)
    sound = write_scan(folder / "sound.nii", IMAGE, AFFINE).read_bytes()
    for number in range(count):
        raw = mutated(sound, 0, HEADER_BYTES, generator)
        path = folder / ("mutant.nii.gz" if number % 2 else "mutant.nii")
        path.write_bytes(gzip.compress(raw, 1) if number % 2 else raw)
        yield path


def dicom_mutants(folder: Path, count: int, seed: int = 0) -> Iterator[Path]:
    """Mutate one slice of five, in each of the four plain ways of writing one after the other."""
    generator = np.random.default_rng(seed)
    sequence = {(0x0008, 0x1140): ("SQ", nested(undefined=True))}
    syntaxes = (LITTLE, IMPLICIT, BIG, DEFLATED)
    series, sound = [], []
    for number, syntax in enumerate(syntaxes):
        paths = write_series(
            folder / str(number), IMAGE.transpose(2, 1, 0), AFFINE,
            transfer_syntax=syntax, tags=sequence if syntax in (LITTLE, DEFLATED) else {},
        )  # fmt: skip
        series.append(paths)
        sound.append(paths[1].read_bytes())
    for number in range(count):
        which = number % len(series)
        raw = sound[which]
        series[which][1].write_bytes(mutated(raw, 128, len(raw), generator))
        yield series[which][1].parent


def tried(mutants: Iterable[Path]) -> Figures:
    """Read each mutant. Any error but UserError goes through; so does a lack of memory."""
    figures = Figures()
    for path in mutants:
        start = time.perf_counter()
        refusal = refusal_of(path)
        figures.count(refused=refusal is not None, seconds=time.perf_counter() - start)
        if refusal is not None:
            assert refusal.where.startswith(str(path))
            assert "\n" not in refusal.what + refusal.fix
    return figures


def refusal_of(path: Path) -> UserError | None:
    """Read a scan and find its axes; None where that works."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scan = read_dicom(path) if path.is_dir() else read_nifti(path)
    except UserError as error:
        return error
    assert scan.array.ndim == 3
    assert np.isfinite(scan.affine).all()
    assert sorted(axis_order(scan.affine).file_axis) == [0, 1, 2]
    return None


def limit_memory() -> None:
    """Let the process have only so much more: what asks for more gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Run by hand, and print the figures."""
    parser = argparse.ArgumentParser(description="Mutated headers, by hand.")
    for kind in ("nifti", "dicom", "seed"):
        parser.add_argument(f"--{kind}", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"mutants in {folder}")  # noqa: T201
    limit_memory()
    for kind, mutants in (("nifti", nifti_mutants), ("dicom", dicom_mutants)):
        count, start = getattr(options, kind), time.perf_counter()
        figures = tried(mutants(folder, count, options.seed))
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(  # noqa: T201
            f"{kind}: {count} mutants, {figures.refused} refused, {figures.read} read, "
            f"0 crashes; longest {figures.longest_s:.3f} s, {time.perf_counter() - start:.0f} s "
            f"in all, peak memory of the process {peak_mib:.0f} MiB"
        )


if __name__ == "__main__":
    main()
