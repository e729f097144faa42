"""Preparation of one 512x512x129 CT with its label map, against the same chain of MONAI transforms.

Run: .venv/bin/python platform/benchmarks/prepare.py [--rounds 7]

Both read two compressed NIfTI files, orient, window, stretch to 128x128x64 and leave two arrays.
Times are core-seconds: what all threads of the process used, and the two take turns. Memory is the
most that a process of its own held above what it held before it began, in volumes: the scan as it
is stored, int16.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from monai.transforms.compose import Compose
from monai.transforms.intensity.dictionary import ScaleIntensityRanged
from monai.transforms.io.dictionary import LoadImaged
from monai.transforms.spatial.dictionary import Orientationd, Resized
from monai.transforms.utility.dictionary import EnsureChannelFirstd
from pairs import show

from voxsiam.types import PAPER_ORGANS, Shape
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.nifti import write_nifti
from voxsiam.volumes.preparation import prepare_volume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam.volumes.resampling import resample, resample_nearest
from voxsiam_data.phantom.case import make_phantom

NATIVE_DHW: Shape = (129, 512, 512)
Side = Callable[[Path], None]


def write_case(folder: Path) -> None:
    """Stretch a phantom to the size of a clinical scan, with its noise."""
    phantom = make_phantom(0, 0, (4.0, 5.0), None)
    image = resample(phantom.image.astype(np.float32), NATIVE_DHW)
    noise = np.random.default_rng(0).normal(0, 12, image.shape)
    hu = np.rint(image + noise).clip(-1024, 3071).astype(np.int16)
    label = resample_nearest(phantom.label, NATIVE_DHW)
    affine = np.diag([-0.7, -0.7, 2.5, 1.0])
    for name, array in (("image", hu), ("label", label)):
        write_nifti(folder / f"{name}.nii.gz", np.ascontiguousarray(array.T), affine)


def by_monai(folder: Path) -> None:
    """Prepare as a MONAI user would."""
    config, keys = PreparationConfig(), ("image", "label")
    d, h, w = config.grid_dhw
    chain = Compose(
        [
            LoadImaged(keys),
            EnsureChannelFirstd(keys),
            Orientationd(keys, axcodes="RAS", labels=None),
            ScaleIntensityRanged("image", *config.window_hu, 0, 1, clip=True),
            Resized(keys, (w, h, d), mode=("trilinear", "nearest")),
        ]
    )
    chain({name: folder / f"{name}.nii.gz" for name in keys})


def by_us(folder: Path) -> None:
    """Prepare as `voxsiam data prepare` does."""
    values = {value: value for value in range(len(PAPER_ORGANS) + 1)}
    label = LabelMap(path=folder / "label.nii.gz", values=values)
    prepare_volume(folder / "image.nii.gz", label, PreparationConfig())


def core_seconds(side: Side, folder: Path) -> float:
    """Time one preparation."""
    start = time.process_time()
    side(folder)
    return time.process_time() - start


def held(name: str, folder: Path) -> None:
    """Print the most memory of this process above what it holds before it begins."""
    before = psutil.Process().memory_info().rss
    # Linux forgets the peak that importing had.
    Path("/proc/self/clear_refs").write_text("5")
    SIDES[name](folder)
    status = Path("/proc/self/status").read_text()
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    print(1024 * peak_kib - before)


SIDES: dict[str, Side] = {"MONAI": by_monai, "ours": by_us}


def compare(rounds: int) -> None:
    """Measure core-seconds in turn, then memory, each side in a process of its own."""
    volume = 2 * np.prod(NATIVE_DHW)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_case(folder)
        for side in SIDES.values():
            side(folder)
        times = [
            (core_seconds(by_monai, folder), core_seconds(by_us, folder)) for _ in range(rounds)
        ]
        show("prepare, core-seconds a volume", times)
        for side in SIDES:
            command = [sys.executable, __file__, "--held", side, name]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"{side}: {int(found.stdout.split()[-1]) / volume:.2f} volumes of memory")


def main() -> None:
    """Compare, or tell what one side holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--held", nargs=2, metavar=("SIDE", "FOLDER"), help="memory of one side")
    asked = parser.parse_args()
    if asked.held:
        held(asked.held[0], Path(asked.held[1]))
    else:
        compare(asked.rounds)


if __name__ == "__main__":
    main()
