"""Predicting one CT of 512x512x129 end to end against a pipeline of MONAI transforms.

Both read the .nii.gz, prepare it, run the same network with the same weights, bring its
probabilities back to the scan by linear interpolation, take the most probable class and write a
.nii.gz. MONAI computes in float32, VoxSiam in the precision that the processor is best at.

Run: .venv/bin/python platform/benchmarks/predict.py [--width 16] [--rounds 5] [--scan 512 512 129]
"""

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from monai.transforms.intensity.dictionary import ScaleIntensityRanged
from monai.transforms.io.dictionary import LoadImaged, SaveImaged
from monai.transforms.post.dictionary import AsDiscreted, Invertd
from monai.transforms.spatial.dictionary import Orientationd, Resized
from monai.transforms.utility.dictionary import EnsureChannelFirstd
from pairs import show, time_in_turn
from torch import Tensor, nn
from torch.nn import functional

from voxsiam.inference.model_folder import (
    LoadedModel,
    ModelDescription,
    TrainedOn,
    load_model,
    write_model,
)
from voxsiam.inference.predict import predict_case
from voxsiam.inference.scan_files import ResultFiles, ScanSource
from voxsiam.models.bfloat16 import has_bfloat16
from voxsiam.models.catalogue import build_network
from voxsiam.models.network_config import NetworkConfig
from voxsiam.types import PAPER_ORGANS, Shape
from voxsiam.volumes.nifti import Scan, read_nifti, write_nifti
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam.volumes.resampling import resample, resample_nearest
from voxsiam_cli.options import parse_grid

SHAPE_XYZ = (512, 512, 129)
SPACING_MM = (0.75, 0.75, 3.0)
ENOUGH, MOST_STEPS = 0.5, 300
"""Dice with the phantom that every organ must reach, and how long that may take."""
CPU = torch.device("cpu")
Precision = Literal["float32", "bfloat16"]
ORGAN_HU = (150, 220, 10, -60, 110, 60, 85, 35)


def phantom(shape_xyz: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Draw a body with eight organs of different density as ellipsoids, with noise."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in shape_xyz), sparse=True)
    x, y, z = axes[1], axes[0], axes[2]
    image = np.where((x / 0.8) ** 2 + (y / 0.6) ** 2 < 1, -80, -1000).astype(np.int16)
    image = np.broadcast_to(image, shape_xyz).copy()
    label = np.zeros(shape_xyz, dtype=np.uint8)
    for value, density in enumerate(ORGAN_HU, start=1):
        angle = 2 * np.pi * value / len(ORGAN_HU)
        centre = 0.4 * np.cos(angle), 0.33 * np.sin(angle), 0.4 * (-1) ** value
        radius = rng.uniform(0.16, 0.2), rng.uniform(0.14, 0.17), rng.uniform(0.4, 0.6)
        distance = sum(
            ((a - c) / r) ** 2 for a, c, r in zip((x, y, z), centre, radius, strict=True)
        )
        label[distance < 1] = value
        image[distance < 1] = density
    image += rng.normal(0, 12, shape_xyz).astype(np.int16)
    return image, label


def train(network: nn.Module, image: np.ndarray, label: np.ndarray, grid_dhw: Shape) -> None:
    """Let the network find each of the phantom's organs: random weights give random borders.

    On half of the grid first, where a step takes an eighth of the time.

    Raises:
        RuntimeError: It does not; a comparison of maps without organs would say nothing.
    """
    unit = np.clip((image.T.astype(np.float32) + 200) / 450, 0, 1)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    d, h, w = grid_dhw
    for grid in ((d // 2, h // 2, w // 2), grid_dhw):
        if any(n % 16 for n in grid):
            continue  # too coarse for four halvings
        inputs = torch.from_numpy(resample(unit, grid))
        target = torch.from_numpy(resample_nearest(label.T, grid).astype(np.int64))
        rarity = (
            1 / torch.bincount(target.flatten(), minlength=len(PAPER_ORGANS) + 1).float().sqrt()
        )
        for _ in range(MOST_STEPS):
            logits = network(inputs[None, None]).logits
            if min(dice(logits[0].argmax(0), target)) > ENOUGH:
                break
            optimiser.zero_grad()
            functional.cross_entropy(logits, target[None], weight=rarity).backward()
            optimiser.step()
        else:
            raise RuntimeError(f"no Dice of {ENOUGH} for every organ after {MOST_STEPS} steps")
    network.eval()


def monai_pipeline(model: LoadedModel, source: Path, folder: Path) -> Path:
    """Predict as a MONAI user would, with the weights of a model of ours."""
    d, h, w = model.description.preparation.grid_dhw
    prepare = Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes="RAS", labels=None),
            ScaleIntensityRanged("image", -200, 250, 0, 1, clip=True),
            Resized("image", (w, h, d), mode="trilinear"),
        ]
    )
    restore = Compose(
        [
            Invertd("pred", prepare, orig_keys="image", nearest_interp=False),
            AsDiscreted("pred", argmax=True),
            SaveImaged(
                "pred",
                output_dir=folder,
                output_postfix="",
                separate_folder=False,
                output_dtype=np.uint8,
                print_log=False,
            ),
        ]
    )
    data: Any = prepare({"image": source})
    with torch.inference_mode():
        image = data["image"].as_tensor().permute(0, 3, 2, 1)[None].contiguous()
        probabilities = model.network(image).logits[0].softmax(0)
    data["pred"] = MetaTensor(probabilities.permute(0, 3, 2, 1), meta=data["image"].meta)
    restore(data)
    return folder / source.name


def dice(a: np.ndarray | Tensor, b: np.ndarray | Tensor) -> list[float]:
    """Return the Dice coefficient of each organ; 1 where neither side has it."""
    organs = ((a == value, b == value) for value in range(1, len(PAPER_ORGANS) + 1))
    return [2 * int((p & q).sum()) / n if (n := int(p.sum() + q.sum())) else 1.0 for p, q in organs]


def load_as(
    folder: Path, network: nn.Module, size: tuple[int, Shape], precision: Precision
) -> LoadedModel:
    """Write the network as a model folder and read it."""
    description = ModelDescription(
        network=NetworkConfig(width=size[0]),
        autocast=precision,
        preparation=PreparationConfig(grid_dhw=size[1]),
        method_version=0,
        trained=TrainedOn(run_id="", data_name="", data_kind="phantom", epochs=0, seed=0),
    )
    write_model(folder, description, network)
    return load_model(folder, CPU)


def print_agreement(name: str, ours: Scan, theirs: Scan) -> None:
    """Print how far two label maps agree."""
    organs = dice(ours.array, theirs.array)
    print(
        f"  {name} against MONAI: Dice {np.mean(organs):.5f}, least {min(organs):.5f}; "
        f"{np.mean(ours.array != theirs.array):.1e} of the voxels differ; "
        f"same affine: {np.allclose(ours.affine, theirs.affine)}"
    )


def compare(folder: Path, shape_xyz: Shape, size: tuple[int, Shape], rounds: int) -> None:
    """Write a phantom, train a network on it, then time both.

    Args:
        size: Width of the network, and the grid that it sees.
        rounds: Of both in turn.
    """
    image, label = phantom(shape_xyz)
    source = folder / "ct.nii.gz"
    write_nifti(source, image, np.diag([*SPACING_MM, 1.0]))
    torch.manual_seed(0)
    network = build_network(NetworkConfig(width=size[0]))
    train(network, image, label, size[1])
    results = ResultFiles(folder / "ours.nii.gz", folder / "unused.nii.gz")
    case = ScanSource("ct", source)
    model = exact = load_as(folder / "float32", network, size, "float32")
    theirs = read_nifti(monai_pipeline(exact, source, folder / "monai"))
    organs = dice(theirs.array, label)
    print(f"MONAI's Dice with the phantom {np.mean(organs):.3f}, least {min(organs):.3f}")
    predict_case(exact, case, results, probabilities=False)
    print_agreement("float32", read_nifti(results.label), theirs)
    if has_bfloat16(CPU):
        model = load_as(folder / "bfloat16", network, size, "bfloat16")
        predict_case(model, case, results, probabilities=False)
        print_agreement("bfloat16", read_nifti(results.label), theirs)
    times = time_in_turn(
        lambda: monai_pipeline(exact, source, folder / "monai"),
        lambda: predict_case(model, case, results, probabilities=False),
        rounds,
    )
    show(f"predict, unet3d width {size[0]}, {model.description.autocast}", times)
    report = predict_case(model, case, results, probabilities=False)
    print(f"  seconds of our steps, one call: {report.seconds}")


def main() -> None:
    """Read the options and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scan", type=int, nargs=3, default=SHAPE_XYZ, metavar=tuple("xyz"))
    parser.add_argument("--grid", default="128x128x64", help="HxWxD")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    logging.getLogger("monai").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        size = options.width, parse_grid(options.grid)
        compare(Path(folder), tuple(options.scan), size, options.rounds)


if __name__ == "__main__":
    main()
