"""The files that say where the organs of one CT lie: one label map, or a mask for each organ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import Field

from voxsiam.errors import UserError
from voxsiam.types import ORGANS, Frozen
from voxsiam.volumes.geometry_check import check_same_grid
from voxsiam.volumes.label_values import renamed_label
from voxsiam.volumes.nifti import Scan, read_nifti

_MASK_VALUES = {0: 0, 1: 1}


class LabelMap(Frozen):
    """One file that holds a value for each organ.

    Attributes:
        path: NIfTI, on the grid of the image.
        values: Value in the file -> 0 background, 1..8 organs. An organ without a value was not
            annotated: where it lies the map says background, and it must not be trained as such.
    """

    form: Literal["map"] = "map"
    path: Path
    values: Mapping[int, int]

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    @property
    def annotated(self) -> tuple[int, ...]:
        """Organs that the annotator looked for, ascending."""
        return tuple(sorted(set(self.values.values()) - {0}))

    def meaning(self) -> object:
        """Plain values that, with the files' bytes, decide the labels."""
        return sorted(self.values.items())

    def read(self, image: Scan) -> UInt8[np.ndarray, "d h w"]:
        """Read the organs on the image's grid."""
        scan = read_nifti(self.path)
        check_same_grid(image, scan)
        return renamed_label(scan, self.values)


class OrganMasks(Frozen):
    """One file for each organ: 1 inside, 0 outside.

    Attributes:
        paths: Our value of the organ -> its mask, on the grid of the image. An organ without a
            mask was not annotated.
    """

    form: Literal["masks"] = "masks"
    paths: Mapping[Annotated[int, Field(ge=1, le=len(ORGANS))], Path] = Field(min_length=1)

    @property
    def files(self) -> tuple[Path, ...]:
        """The masks in the order of the organs."""
        return tuple(self.paths[organ] for organ in self.annotated)

    @property
    def annotated(self) -> tuple[int, ...]:
        """Organs that the annotator looked for, ascending."""
        return tuple(sorted(self.paths))

    def meaning(self) -> object:
        """Plain values that, with the files' bytes, decide the labels."""
        return {"masks": self.annotated}

    def read(self, image: Scan) -> UInt8[np.ndarray, "d h w"]:
        """Join the masks on the image's grid.

        Raises:
            UserError: A mask is unusable or lies elsewhere, two overlap, or all are empty.
        """
        joined: UInt8[np.ndarray, "d h w"] | None = None
        for organ in self.annotated:
            scan = read_nifti(self.paths[organ])
            check_same_grid(image, scan)
            inside = renamed_label(scan, _MASK_VALUES, may_be_empty=True)
            joined = np.zeros_like(inside) if joined is None else joined
            overlap = int(np.count_nonzero(joined[inside > 0]))
            if overlap:
                raise UserError(
                    f"{overlap} voxels of the mask belong to another organ's mask too.",
                    where=str(scan.path),
                    fix="give each voxel to one organ",
                )
            joined[inside > 0] = organ
        if joined is None or not joined.any():
            raise UserError(
                "All masks are empty.",
                where=str(self.files[0].parent),
                fix="give the masks of this scan, or leave the case out",
            )
        return joined


LabelFiles = Annotated[LabelMap | OrganMasks, Field(discriminator="form")]
"""Either of the two."""
