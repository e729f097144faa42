"""The networks by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from voxsiam.models.unet3d import UNet3D


@dataclass(frozen=True)
class NetworkEntry:
    """A network's class and what Table II prints for it."""

    build: type[UNet3D]
    title: str
    printed_parameters: str


NETWORKS: Mapping[str, NetworkEntry] = {
    "unet3d": NetworkEntry(UNet3D, "3D U-Net", "16.313M"),
}


def build_network(name: str, width: int, num_classes: int) -> UNet3D:
    """Build a network by its name in `NETWORKS`."""
    return NETWORKS[name].build(width, num_classes)
