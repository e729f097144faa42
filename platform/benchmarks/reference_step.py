"""A training step of `unet3d` against the same step of pytorch-3dunet, float32 eager.

The reference is `UNet3D` of the package pytorch3dunet with its own Dice formula, of which
`soft_dice` below is the reading that we train with. It is not installed with the rest; put it in
a folder of its own:

    .venv/bin/python -m pip install --no-deps --target FOLDER \
        pytorch3dunet==1.9.6 scikit-image lazy-loader
Run: .venv/bin/python platform/benchmarks/reference_step.py FOLDER
     .venv/bin/python platform/benchmarks/reference_step.py FOLDER --curves
"""

import argparse
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from pairs import show
from torch import Tensor, nn

from voxsiam.models.bfloat16 import has_bfloat16
from voxsiam.models.network_config import NetworkConfig
from voxsiam.training.batch import Batch, Moment
from voxsiam.training.loop import build_objective, build_optimiser
from voxsiam.training.recipe import NumericsConfig, Recipe

WIDTH, GRID, CASES, CLASSES = 16, (64, 64, 32), 4, 9
VOLUMES = 12
OURS = NumericsConfig(
    autocast="bfloat16" if has_bfloat16(torch.device("cpu")) else "float32",
    memory_format="channels_last",
)

Step = Callable[[Tensor, Tensor], float]


def reference_network() -> nn.Module:
    """Build the public implementation from seed 0."""
    from pytorch3dunet.unet3d.model import UNet3D  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    return UNet3D(1, CLASSES, final_sigmoid=False, f_maps=WIDTH)


def soft_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each case by plain operations."""
    p = logits.softmax(1)
    g = torch.zeros_like(p).scatter_(1, labels.unsqueeze(1), 1)
    axes = (2, 3, 4)
    size = (p * p).sum(axes) + (g * g).sum(axes) + 1e-4
    return (1 - 2 * (p * g).sum(axes) / size).sum(1)


def reference_step() -> Step:
    """Return a step of the reference."""
    network = reference_network()
    recipe = Recipe()
    optimiser = torch.optim.Adam(
        network.parameters(),
        lr=recipe.optimiser.learning_rate,
        weight_decay=recipe.optimiser.weight_decay,
    )

    def step(images: Tensor, labels: Tensor) -> float:
        optimiser.zero_grad(set_to_none=True)
        loss = soft_dice(network(images, return_logits=True)[1], labels).mean()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def our_step(numerics: NumericsConfig = OURS) -> Step:
    """Return our step from the reference's weights; Dice scores for the log are part of it."""
    recipe = Recipe(network=NetworkConfig(width=WIDTH), numerics=numerics)
    objective = build_objective(recipe, 0, torch.device("cpu"))
    theirs = reference_network().parameters()
    with torch.no_grad():
        for own, other in zip(objective.network.parameters(), theirs, strict=True):
            own.copy_(other)
    optimiser = build_optimiser(objective, recipe.optimiser)

    def step(images: Tensor, labels: Tensor) -> float:
        batch = Batch(tuple("abcd"), CASES, images, labels.byte())
        optimiser.zero_grad(set_to_none=True)
        loss = objective(batch, Moment(0, 0, 0)).loss
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def blobs(seed: int) -> tuple[Tensor, Tensor]:
    """Draw one ellipsoid of each class, with noise: image (1 d h w) and label (d h w)."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.meshgrid(*(torch.linspace(0, 1, n) for n in GRID), indexing="ij")
    label = torch.zeros(GRID, dtype=torch.long)
    for c in range(1, CLASSES):
        center, radius = torch.rand(2, 3, generator=generator)
        radius = 0.1 + 0.15 * radius
        terms = zip(axes, center.tolist(), radius.tolist(), strict=True)
        label[sum(((x - at) / r) ** 2 for x, at, r in terms) < 1] = c
    noise = torch.randn(GRID, generator=generator)
    return (0.1 + 0.1 * label + 0.05 * noise).clamp(0, 1).unsqueeze(0), label


def batch(number: int, volumes: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Take the batch of a step, cycling through the volumes."""
    chosen = [volumes[(number * CASES + i) % VOLUMES] for i in range(CASES)]
    images, labels = zip(*chosen, strict=True)
    return torch.stack(images), torch.stack(labels)


def serve(connection: Connection, folder: str, name: str) -> None:
    """Run a step in a process of its own whenever asked, and answer with its seconds."""
    sys.path.append(folder)
    step = {"reference": reference_step, "ours": our_step}[name]()
    images, labels = batch(0, [blobs(seed) for seed in range(VOLUMES)])
    while connection.recv():  # until it is told to end
        start = time.perf_counter()
        step(images, labels)
        connection.send(time.perf_counter() - start)


def compare_times(folder: str, rounds: int) -> None:
    """Let the two take turns, each in its own process, and print the ratio."""
    context = get_context("spawn")
    ends = []
    sides = []
    for name in ("reference", "ours"):
        end, other = context.Pipe()
        side = context.Process(target=serve, args=(other, folder, name), daemon=True)
        side.start()
        sides.append(side)
        ends.append(end)
    times = []
    for _ in range(2 + rounds):
        for end in ends:
            end.send(True)
            times.append(end.recv())
    for end, side in zip(ends, sides, strict=True):
        end.send(False)
        side.join()
    pairs = list(zip(times[4::2], times[5::2], strict=True))
    show(f"training step, width {WIDTH}, {OURS.autocast} {OURS.memory_format}", pairs)


def compare_curves(steps: int) -> None:
    """Train both from the same weights on the same batches and print where the losses part."""
    volumes = [blobs(seed) for seed in range(VOLUMES)]
    reference, ours = reference_step(), our_step()
    differences = []
    for number in range(steps):
        theirs, own = (step(*batch(number, volumes)) for step in (reference, ours))
        differences.append(abs(own / theirs - 1))
        if number % 10 in (0, 9):
            print(f"step {number + 1:3d}: reference {theirs:.4f}, ours {own:.4f}")
    mean = sum(differences) / steps
    largest = max(differences)
    print(f"loss over {steps} steps: apart by {mean:.2%} on average, {largest:.2%} at most")


def main() -> None:
    """Compare times, or with --curves the losses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where pytorch3dunet is installed")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--steps", type=int, default=100, help="of the curves")
    arguments = parser.parse_args()
    sys.path.append(str(arguments.folder))
    if arguments.curves:
        compare_curves(arguments.steps)
    else:
        compare_times(str(arguments.folder), arguments.rounds)


if __name__ == "__main__":
    main()
