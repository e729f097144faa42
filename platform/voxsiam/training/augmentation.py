"""Random changes of training cases: drawn from (seed, epoch, case) alone, applied on the device.

A case is changed alike on whatever rank it is trained, and again after a resume.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from voxsiam.losses.voxel_sampling import stream_seed
from voxsiam.training.batch import Batch
from voxsiam.training.recipe import AugmentationConfig

_AXES = ("d", "h", "w")


@dataclass(frozen=True)
class Changes:
    """What happens to one case in one epoch.

    Attributes:
        angle_degrees: Turn in the axial plane, from h towards w.
        zoom: Organs grow by this factor.
        factor: Intensities are multiplied by it,
        shift: then this is added.
        noise: Standard deviation of the Gaussian noise that comes last.
    """

    angle_degrees: float = 0.0
    zoom: float = 1.0
    flip_axes: tuple[str, ...] = ()
    factor: float = 1.0
    shift: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0


def draw_changes(config: AugmentationConfig, seed: int, epoch: int, case_id: str) -> Changes:
    """Draw what happens to a case in an epoch."""
    stream = stream_seed("augmentation", seed, epoch, case_id)
    generator = np.random.default_rng(stream)
    moves = generator.random() < config.probability
    angle = float(generator.choice(config.rotations_degrees or (0.0,)))
    zoom = float(generator.uniform(*config.zoom))
    flips = tuple(axis for axis in _AXES if generator.random() < 0.5 and axis in config.flip_axes)
    return Changes(
        angle_degrees=angle if moves else 0.0,
        zoom=zoom if moves else 1.0,
        flip_axes=flips,
        factor=float(generator.uniform(*config.intensity_factor)),
        shift=float(generator.uniform(-config.intensity_shift, config.intensity_shift)),
        noise=config.noise,
        noise_seed=int(generator.integers(2**63)),
    )


def augment_batch(batch: Batch, config: AugmentationConfig, seed: int, epoch: int) -> Batch:
    """Change every case of a batch, where its tensors lie."""
    if not batch.case_ids:
        return batch
    pairs = [
        apply_changes(draw_changes(config, seed, epoch, case_id), image, label)
        for case_id, image, label in zip(
            batch.case_ids, batch.images[:, 0], batch.labels, strict=True
        )
    ]
    images, labels = (torch.stack(side) for side in zip(*pairs, strict=True))
    return replace(batch, images=images.unsqueeze(1), labels=labels)


def apply_changes(
    changes: Changes, image: Float[Tensor, "d h w"], label: UInt8[Tensor, "d h w"]
) -> tuple[Float[Tensor, "d h w"], UInt8[Tensor, "d h w"]]:
    """Change one case; what comes in at the border is as dark as its darkest voxel, label 0.

    Intensities are interpolated linearly; labels take the nearest voxel.
    """
    if (changes.angle_degrees, changes.zoom) != (0.0, 1.0):
        image, label = _move(changes, image, label)
    axes = [_AXES.index(axis) for axis in changes.flip_axes]
    image, label = image.flip(axes), label.flip(axes)
    if (changes.factor, changes.shift) != (1.0, 0.0):
        image = image * changes.factor + changes.shift
    if changes.noise > 0:
        # Drawn on the CPU: every device then sees the same noise.
        generator = torch.Generator().manual_seed(changes.noise_seed)
        noise = torch.randn(image.shape, generator=generator, dtype=image.dtype)
        image = image + changes.noise * noise.to(image.device)
    return image, label


def _move(
    changes: Changes, image: Float[Tensor, "d h w"], label: UInt8[Tensor, "d h w"]
) -> tuple[Float[Tensor, "d h w"], UInt8[Tensor, "d h w"]]:
    matrix = _sampling_matrix(changes, image.shape).to(image)
    size = [1, 1, *image.shape]
    places = functional.affine_grid(matrix[None], size, align_corners=True)
    air = image.min()
    moved = functional.grid_sample((image - air)[None, None], places, align_corners=True) + air
    nearest = functional.grid_sample(
        label[None, None].to(image), places, mode="nearest", align_corners=True
    )
    return moved[0, 0], nearest[0, 0].to(label.dtype)


def _sampling_matrix(changes: Changes, shape: torch.Size) -> Float[Tensor, "3 4"]:
    """Map places of the result to places of the case, both as w h d from -1 to 1."""
    angle = math.radians(changes.angle_degrees)
    cos, sin = math.cos(angle) / changes.zoom, math.sin(angle) / changes.zoom
    _, height, width = (max(length - 1, 1) for length in shape)
    return torch.tensor(
        [
            [cos, -sin * height / width, 0, 0],
            [sin * width / height, cos, 0, 0],
            [0, 0, 1 / changes.zoom, 0],
        ]
    )
