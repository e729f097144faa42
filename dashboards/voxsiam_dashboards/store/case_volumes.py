"""The voxels of one test case, to be looked at: from the prepared set, or from a run's overlay."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8

from voxsiam.types import Shape, Spacing
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_dashboards.store.trial_files import Overlay
from voxsiam_data.prepared.prepared_set import PreparedSet, read_arrays


@dataclass(frozen=True)
class GreyScale:
    """What the grey values 0 to 255 stand for: both ends, in a unit.

    Attributes:
        unit: HU, or empty where the intensities cannot be traced back to them.
    """

    low: float
    high: float
    unit: str = ""


class CaseVolumes(Protocol):
    """One case on the training grid.

    Attributes:
        version: Changes whenever the voxels do.
    """

    @property
    def version(self) -> str:
        """Name of these very voxels."""
        ...

    @property
    def shape(self) -> Shape:
        """Along d, h, w."""
        ...

    @property
    def spacing_mm(self) -> Spacing:
        """Size of a voxel along d, h, w."""
        ...

    def grey_scale(self) -> GreyScale:
        """What the grey values mean."""
        ...

    def grey(self) -> UInt8[np.ndarray, "d h w"]:
        """Return the image in 256 grey values."""
        ...

    def label(self) -> UInt8[np.ndarray, "d h w"]:
        """Return the ground truth."""
        ...


class OverlayVolumes:
    """The one case that a run keeps whole."""

    def __init__(self, overlay: Overlay, run_id: str) -> None:
        self._overlay, self.version = overlay, run_id
        d, h, w = overlay.label.shape
        self.shape, self.spacing_mm = (d, h, w), overlay.spacing_mm

    def grey_scale(self) -> GreyScale:
        """Say that the whole range is shown: nobody knows how the image was prepared."""
        return GreyScale(float(self._overlay.image.min()), float(self._overlay.image.max()))

    def grey(self) -> UInt8[np.ndarray, "d h w"]:
        """Return the image in 256 grey values."""
        scale = self.grey_scale()
        return to_grey(self._overlay.image, scale.low, scale.high)

    def label(self) -> UInt8[np.ndarray, "d h w"]:
        """Return the ground truth."""
        return self._overlay.label


class PreparedVolumes:
    """A case of a prepared set.

    Its checksums are not compared: that takes longer than to show it, and who trains does it.
    """

    def __init__(self, prepared: PreparedSet, case_id: str) -> None:
        self._set, self._case = prepared, prepared.case(case_id)
        self.version = self._case.key
        self.shape, self.spacing_mm = self._case.shape, self._case.spacing_mm

    def grey_scale(self) -> GreyScale:
        """Return the window of the preparation; standard scores of a volume have lost theirs."""
        config = self._set.config
        if config.intensity == "zscore_volume":
            return GreyScale(*self._range())
        return GreyScale(*config.window_hu, unit="HU")

    def grey(self) -> UInt8[np.ndarray, "d h w"]:
        """Return the image in 256 grey values."""
        return to_grey(self._arrays()[0], *(stored_window(self._set.config) or self._range()))

    def label(self) -> UInt8[np.ndarray, "d h w"]:
        """Return the ground truth."""
        return self._arrays()[1]

    def _range(self) -> tuple[float, float]:
        image, _ = self._arrays()
        return float(image.min()), float(image.max())

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return read_arrays(self._set.folder(self._case), self._case)


def stored_window(config: PreparationConfig) -> tuple[float, float] | None:
    """Return the window's ends as prepared images hold them; None where each has its own."""
    if config.intensity == "zscore_volume":
        return None
    if config.mean_hu is None or config.std_hu is None:
        return 0.0, 1.0
    low, high = ((end - config.mean_hu) / config.std_hu for end in config.window_hu)
    return low, high


def to_grey(
    image: Float[np.ndarray, "d h w"], low: float, high: float
) -> UInt8[np.ndarray, "d h w"]:
    """Scale intensities so that `low` becomes 0 and `high` 255; slice by slice, to spare memory."""
    grey = np.empty(image.shape, np.uint8)
    scale = 255 / (high - low) if high > low else 0.0
    for target, cut in zip(grey, image, strict=True):
        scaled = (cut.astype(np.float32) - np.float32(low)) * np.float32(scale)
        np.clip(np.nan_to_num(scaled + 0.5, copy=False), 0, 255, out=scaled)
        target[...] = scaled
    return grey
