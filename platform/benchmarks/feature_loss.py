"""The feature loss by class sums against the sum over all pairs of Eq. 4.

Run: .venv/bin/python platform/benchmarks/feature_loss.py [--voxels 32768] [--rounds 5]
"""

import argparse
import statistics

import torch
from pairs import show, time_in_turn
from torch import Tensor
from torch.nn import functional

from voxsiam.losses.voxel_simsiam import class_weights, voxel_simsiam_loss

DIMENSIONS, CLASSES = 256, 9


def pairwise_loss(p: Tensor, z: Tensor, classes: Tensor) -> Tensor:
    """Form the matrix of cosines of each class and average it."""
    unit_p, unit_z = functional.normalize(p, dim=1), functional.normalize(z, dim=1)
    counts = torch.bincount(classes, minlength=CLASSES).float()
    weights = class_weights(counts, counts > 0)
    total = p.new_zeros(())
    for c in range(CLASSES):
        members = classes == c
        total = total - weights[c] * (unit_p[members] @ unit_z[members].T).mean()
    return total


def inputs(voxels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw features and classes."""
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(voxels, DIMENSIONS, generator=generator, requires_grad=True)
    z = torch.randn(voxels, DIMENSIONS, generator=generator)
    return p, z, torch.randint(0, CLASSES, (voxels,), generator=generator)


def main() -> None:
    """Compare value, gradient and time; then double the voxels to see that time doubles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voxels", type=int, default=32_768)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    p, z, classes = inputs(asked.voxels)
    (theirs,) = torch.autograd.grad(pairwise_loss(p, z, classes), p)
    (ours,) = torch.autograd.grad(voxel_simsiam_loss(p, z, classes, CLASSES), p)
    difference = (pairwise_loss(p, z, classes) - voxel_simsiam_loss(p, z, classes, CLASSES)).abs()
    print(f"difference: value {difference.item():.1e}, gradient {(theirs - ours).abs().max():.1e}")
    times = time_in_turn(
        lambda: pairwise_loss(p, z, classes).backward(),
        lambda: voxel_simsiam_loss(p, z, classes, CLASSES).backward(),
        asked.rounds,
    )
    show(f"feature loss, {asked.voxels} x {DIMENSIONS}, forward and backward", times)
    for voxels in (asked.voxels * factor for factor in (1, 2, 4, 8)):
        p, z, classes = inputs(voxels)

        def step(p: Tensor = p, z: Tensor = z, classes: Tensor = classes) -> None:
            voxel_simsiam_loss(p, z, classes, CLASSES).backward()

        seconds = statistics.median(t for _, t in time_in_turn(lambda: None, step, asked.rounds))
        print(
            f"  {voxels:7d} voxels: {seconds * 1e3:7.1f} ms, {seconds / voxels * 1e9:.0f} ns each"
        )


if __name__ == "__main__":
    main()
