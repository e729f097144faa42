"""The trainings of the paper, each a function that returns a complete recipe."""

from voxsiam.training.config import FeatureLossConfig, Recipe

LAMBDA = {1: 100.0, 2: 10.0, 3: 10.0}
"""lambda of Eq. 8 by number of layers: 100 and 10 are printed for 1 and 3 (section IV-B); the
paper gives none for 2, where we take that of 3."""


def unet3d() -> Recipe:
    """Return the baseline: the 3D U-Net trained on Dice alone (Table I, first row)."""
    return Recipe()


def voxel_simsiam(*, layers: int) -> Recipe:
    """Return the method on the last `layers` encoder levels: L_feature_|F| of Eq. 7."""
    return Recipe(feature_loss=FeatureLossConfig(layers=layers, weight=LAMBDA[layers]))
