"""The voxels of one case as the checks look at them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from voxsiam.types import PAPER_ORGANS, Shape, Spacing
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import axis_order, spacing_dhw, to_canonical

_SAMPLE_MM = 3.0


@dataclass(frozen=True, eq=False)
class CaseVoxels:
    """One case in memory; at least one of image and label is there.

    Attributes:
        image: In HU.
        label: 0 background, 1.. organs, on the image's grid.
        annotated: Values of the organs that the annotator looked for.
        organs: What the values stand for, from 1.
    """

    spacing_mm: Spacing
    image: Shaped[np.ndarray, "d h w"] | None = None
    label: UInt8[np.ndarray, "d h w"] | None = None
    annotated: tuple[int, ...] = ()
    organs: tuple[str, ...] = PAPER_ORGANS

    @property
    def shape(self) -> Shape:
        """Voxels along d, h, w."""
        array = self.image if self.image is not None else self.label
        if array is None:
            raise ValueError("a case without voxels")
        d, h, w = array.shape
        return d, h, w

    @property
    def sample_steps(self) -> Shape:
        """Strides that take one voxel every 3 mm."""
        d, h, w = (max(1, round(_SAMPLE_MM / size)) for size in self.spacing_mm)
        return d, h, w

    def sampled(self, array: Shaped[np.ndarray, "d h w"]) -> Shaped[np.ndarray, "d2 h2 w2"]:
        """Take one voxel every 3 mm."""
        d, h, w = self.sample_steps
        return array[::d, ::h, ::w]


def voxels_of(
    scan: Scan,
    label: UInt8[np.ndarray, "d h w"] | None,
    annotated: tuple[int, ...] = (),
    organs: tuple[str, ...] = PAPER_ORGANS,
) -> CaseVoxels:
    """View a scan and its labels, which are in d h w already, as the checks look at them."""
    order = axis_order(scan.affine)
    image = to_canonical(scan.array, order)
    return CaseVoxels(spacing_dhw(scan.affine, order), image, label, annotated, organs)
