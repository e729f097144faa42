"""How a scan becomes a training volume: every reading of section IV-A as a field."""

from typing import Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from voxsiam.types import Frozen, Shape

Order = Literal["window_then_resample", "resample_then_window"]
Interpolation = Literal["linear", "cubic"]
Intensity = Literal["unit", "zscore_volume", "standard"]
Crop = Literal["none", "body", "box"]

_MOST_ACROSS = 4096  # as many as a slice may have
_FLOAT16_MAX = float(np.finfo(np.float16).max)


class PreparationConfig(Frozen):
    """How a scan becomes a training volume.

    Attributes:
        grid_dhw: Every scan is stretched to this grid (section IV-A; the paper writes 128x128x64
            as H x W x D), so the voxel size differs from case to case. Multiples of 8, because
            the networks halve the grid three times.
        window_hu: Intensities are clipped here (section IV-A).
        order: Whether intensities are clipped before or after they are interpolated. The paper
            names resampling first, its authors' code for the liver windows first.
        interpolation: Of the image: trilinear, or tricubic splines. Labels are always nearest.
        anti_alias: Whether a Gaussian low-pass goes before each axis that shrinks.
        intensity: `unit` scales the window to [0, 1]; `zscore_volume` gives each volume mean 0
            and variance 1 on its grid; `standard` subtracts `mean_hu` and divides by `std_hu`.
        mean_hu: Mean of the training data inside the window, for `standard` only.
        std_hu: Their standard deviation, for `standard` only.
        crop: The part of the scan that is stretched: all of it, the body found in the image, or
            the box that came with the case. A box is never derived from labels.
    """

    grid_dhw: Shape = (64, 128, 128)
    window_hu: tuple[float, float] = (-200.0, 250.0)
    order: Order = "window_then_resample"
    interpolation: Interpolation = "linear"
    anti_alias: bool = False
    intensity: Intensity = "unit"
    mean_hu: float | None = None
    std_hu: float | None = Field(default=None, gt=0)
    crop: Crop = "none"

    @field_validator("grid_dhw")
    @classmethod
    def _divisible(cls, grid: Shape) -> Shape:
        if any(n < 16 or n % 8 for n in grid):
            raise ValueError("each axis of the grid must be a multiple of 8 and at least 16")
        if max(grid) > _MOST_ACROSS:
            raise ValueError(f"each axis of the grid must have at most {_MOST_ACROSS} voxels")
        return grid

    @field_validator("window_hu")
    @classmethod
    def _ascending(cls, window: tuple[float, float]) -> tuple[float, float]:
        if not window[0] < window[1]:
            raise ValueError("the window must ascend from a lower to an upper bound in HU")
        return window

    @model_validator(mode="after")
    def _consistent_statistics(self) -> "PreparationConfig":
        if self.intensity != "standard":
            if self.mean_hu is not None or self.std_hu is not None:
                raise ValueError("mean_hu and std_hu have a meaning for intensity=standard only")
            return self
        if self.mean_hu is None or self.std_hu is None:
            raise ValueError("intensity=standard needs both mean_hu and std_hu")
        low, high = self.window_hu
        if not low <= self.mean_hu <= high:
            raise ValueError(f"mean_hu must lie in the window, {low:g} to {high:g} HU")
        if self.std_hu < (high - low) / _FLOAT16_MAX:
            raise ValueError("std_hu must not be so small that float16 overflows")
        return self

    def changed_fields(self) -> dict[str, object]:
        """Return the fields, grid apart, that differ from their defaults, as plain values."""
        default = PreparationConfig().model_dump(mode="json")
        ours = self.model_dump(mode="json", exclude={"grid_dhw"})
        return {name: value for name, value in ours.items() if value != default[name]}
