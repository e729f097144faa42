"""Which network, as validated data; importing it loads no PyTorch."""

from typing import Literal

from pydantic import Field, model_validator

from voxsiam.types import PAPER_ORGANS, Frozen

NetworkName = Literal["unet3d", "residual_unet3d", "vnet", "attention_unet3d"]
Normalisation = Literal["as_table_ii", "group_before_convolution", "batch_after_convolution"]

PAPER_WIDTH: dict[NetworkName, int] = {
    "unet3d": 64,
    "residual_unet3d": 64,
    "vnet": 16,
    "attention_unet3d": 64,
}
"""Channels of the finest level with which a network has the parameters of Table II."""

LEVELS: dict[NetworkName, int] = {
    "unet3d": 4,
    "residual_unet3d": 5,
    "vnet": 5,
    "attention_unet3d": 4,
}
"""Encoder levels; each but the first halves the grid."""


MOST_WIDTH = 4096
"""Sixty times the paper's, which no GPU holds: a width beyond it is a slip of the hand."""


class NetworkConfig(Frozen):
    """Which network, and how wide.

    Attributes:
        width: Channels of the finest encoder level.
        num_classes: Outputs, background included: those of the data, which a study fills in.
        normalisation: Kind and place of the normalisation in a unit. Table II's counts fit group
            normalisation before the convolution in `unet3d` and `residual_unet3d`, and batch
            normalisation after it in `attention_unet3d` and `vnet`; `vnet` has no other form.
    """

    name: NetworkName = "unet3d"
    width: int = Field(default=64, ge=1, le=MOST_WIDTH)
    num_classes: int = Field(default=len(PAPER_ORGANS) + 1, ge=2, le=65536)
    normalisation: Normalisation = "as_table_ii"

    @model_validator(mode="after")
    def _known_form(self) -> "NetworkConfig":
        if self.name == "vnet" and self.normalisation != "as_table_ii":
            raise ValueError(
                "vnet has batch normalisation after each convolution and no other form"
            )
        return self

    @property
    def levels(self) -> int:
        """Count the encoder levels: the feature loss may cover as many."""
        return LEVELS[self.name]
