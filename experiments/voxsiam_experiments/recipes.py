"""The trainings of the paper, each a function that returns a complete recipe.

Run one: voxsiam train vnet --preset mini
"""

from collections.abc import Callable, Mapping

from voxsiam.losses.config import ContrastiveConfig, FeatureLossConfig
from voxsiam.models.network_config import PAPER_WIDTH, NetworkConfig, NetworkName
from voxsiam.training.recipe import Recipe

LAMBDA = {1: 100.0, 2: 10.0, 3: 10.0}
"""lambda of Eq. 8 by number of layers: 100 and 10 are printed for 1 and 3 (section IV-B); the
paper gives none for 2, where we take that of 3."""

SCL_WEIGHT = 0.1
"""The paper gives none; that of Wang et al. 2021, on which its baseline is based."""


def unet3d() -> Recipe:
    """Return the base network, a 3D U-Net, trained on Dice alone."""
    return _network("unet3d")


def residual_unet3d() -> Recipe:
    """Return the residual 3D U-Net, trained on Dice alone."""
    return _network("residual_unet3d")


def vnet() -> Recipe:
    """Return the VNet, trained on Dice alone."""
    return _network("vnet")


def attention_unet3d() -> Recipe:
    """Return the attention U-Net, trained on Dice alone."""
    return _network("attention_unet3d")


def supervised_contrastive() -> Recipe:
    """Return the 3D U-Net with the supervised contrastive loss on three layers (SCL)."""
    loss = FeatureLossConfig(layers=3, weight=SCL_WEIGHT, relation=ContrastiveConfig())
    return unet3d().with_changes(feature_loss=loss)


def voxel_simsiam(*, layers: int = 3, **changes: object) -> Recipe:
    """Return the 3D U-Net with the voxel SimSiam loss on its deepest levels.

    Args:
        layers: How many: L_feature_|F| of Eq. 7.
        changes: Other fields of the feature loss.
    """
    fields = {"layers": layers, "weight": LAMBDA[layers], **changes}
    return unet3d().with_changes(feature_loss=FeatureLossConfig.model_validate(fields))


RECIPES: Mapping[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        unet3d,
        residual_unet3d,
        vnet,
        attention_unet3d,
        supervised_contrastive,
        voxel_simsiam,
    )
}
"""The six systems of Tables I and II by name."""


def _network(name: NetworkName) -> Recipe:
    return Recipe(network=NetworkConfig(name=name, width=PAPER_WIDTH[name]))
