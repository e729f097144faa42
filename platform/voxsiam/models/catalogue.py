"""The networks by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voxsiam.models.attention_unet3d import AttentionUNet3D
from voxsiam.models.network import Network
from voxsiam.models.network_config import NetworkConfig, NetworkName
from voxsiam.models.residual_unet3d import ResidualUNet3D
from voxsiam.models.unet3d import UNet3D
from voxsiam.models.vnet import VNet


@dataclass(frozen=True)
class NetworkEntry:
    """A network's class and what Table II prints for it."""

    build: Callable[[NetworkConfig], Network]
    title: str
    printed_parameters: str


NETWORKS: Mapping[NetworkName, NetworkEntry] = {
    "unet3d": NetworkEntry(UNet3D, "3D U-Net", "16.313M"),
    "residual_unet3d": NetworkEntry(ResidualUNet3D, "Residual 3D U-Net", "141.229M"),
    "vnet": NetworkEntry(VNet, "VNet", "9.449M"),
    "attention_unet3d": NetworkEntry(AttentionUNet3D, "Attention U-Net", "16.836M"),
}


def build_network(config: NetworkConfig) -> Network:
    """Build the network that a configuration names."""
    return NETWORKS[config.name].build(config)
