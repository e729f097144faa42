"""Random changes of a training case, drawn from (seed, epoch, case) alone.

A case looks the same on whatever rank it is trained, and again after a resume.
"""

from dataclasses import replace

import numpy as np
from scipy.ndimage import rotate

from voxsiam.losses.voxel_sampling import stream_seed
from voxsiam.training.batch import CaseLoader
from voxsiam.training.config import AugmentationConfig
from voxsiam.types import Volume

_AXES = ("d", "h", "w")


def augmented(
    load: CaseLoader, config: AugmentationConfig | None, seed: int, epoch: int
) -> CaseLoader:
    """Return a loader whose cases are changed at random; without configuration, the loader."""
    if config is None:
        return load

    def load_changed(case_id: str) -> Volume:
        stream = stream_seed("augmentation", seed, epoch, case_id)
        return augment(load(case_id), config, np.random.default_rng(stream))

    return load_changed


def augment(volume: Volume, config: AugmentationConfig, generator: np.random.Generator) -> Volume:
    """Rotate in the axial plane, mirror, add noise; what comes in at the border is air, label 0.

    Intensities are interpolated linearly and stay in the range that they had; labels take the
    nearest voxel.
    """
    image, label = volume.image.astype(np.float32), volume.label
    if config.rotations_degrees and generator.random() < config.probability:
        angle = float(generator.choice(config.rotations_degrees))
        air = float(image.min())
        image = rotate(image, angle, axes=(1, 2), reshape=False, order=1, cval=air)
        label = rotate(label, angle, axes=(1, 2), reshape=False, order=0)
    for axis in config.flip_axes:
        if generator.random() < 0.5:
            image, label = (np.flip(array, _AXES.index(axis)) for array in (image, label))
    if config.noise > 0:
        noise = generator.standard_normal(image.shape, dtype=np.float32)
        image = image + config.noise * noise
    return replace(volume, image=np.ascontiguousarray(image), label=np.ascontiguousarray(label))
