"""The files that say where the organs of one CT lie: one label map, or a mask for each organ."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import Field, model_validator

from voxsiam.errors import refusal
from voxsiam.types import MOST_ORGANS, PAPER_ORGANS, Frozen
from voxsiam.volumes.claimed_size import check_lengths
from voxsiam.volumes.label_flip import AS_IT_IS, MIN_LIVER_ML, compare_flips, flip_name
from voxsiam.volumes.label_values import renamed_label
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.orientation import (
    axis_order,
    corner_drift_voxels,
    flipped,
    in_patient_axes,
    spacing_dhw,
    to_canonical,
)
from voxsiam.volumes.volume_file import read_volume, volume_files

MAX_DRIFT_VOXELS = 0.01
"""How far a corner of the label may lie from the image's: above the rounding of float32 headers
(below 0.001 voxel), far below anything a resampling would show."""

_MASK_VALUES = {0: 0, 1: 1}
Labels = UInt8[np.ndarray, "d h w"]


class LabelMap(Frozen):
    """One file that holds a value for each organ.

    Attributes:
        values: Value in the file -> 0 background, 1.. organs. An organ without a value was not
            annotated: where it lies the map says background, and it must not be trained as such.
        organs: What our values stand for, from 1: the classes of the data set.
        place: How it lies on the image: as both headers say, or, where they are known not to
            agree (Pancreas-CT), with its axes as the image's and mirrored so that it fits what
            the image shows. That takes liver and pancreas: a map without is refused.
    """

    form: Literal["map"] = "map"
    path: Path
    values: Mapping[int, int]
    organs: tuple[str, ...] = PAPER_ORGANS
    place: Literal["by_header", "by_hu"] = "by_header"

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, and the one of its voxels where that is another."""
        return volume_files(self.path)

    @property
    def annotated(self) -> tuple[int, ...]:
        """Organs that the annotator looked for, ascending."""
        return tuple(sorted(set(self.values.values()) - {0}))

    def meaning(self) -> object:
        """Plain values that, with the files' bytes, decide the labels."""
        values = sorted(self.values.items())
        # Where nobody chose, keys are those of before there was a choice.
        chosen = {} if self.place == "by_header" else {"place": self.place}
        chosen |= _chosen(self.organs)
        return {"values": values} | chosen if chosen else values

    def read_with_notes(
        self, image: Scan, geometry: Form | None = None
    ) -> tuple[Labels, tuple[str, ...]]:
        """Read the organs on the image's grid, and say what had to be mended for that.

        Raises:
            UserError: The map is unusable, or does not lie on the image.
        """
        scan = read_volume(self.path, image, geometry)
        if self.place == "by_header":
            _check_same_grid(image, scan)
            return renamed_label(scan, self.values), scan.notes
        check_lengths(self.path, scan.array.shape, image.array.shape, in_order=True)
        label = renamed_label(replace(scan, affine=image.affine), self.values)
        label, notes = _fitted(image, label, self.path, self.organs)
        return label, (*scan.notes, *notes)


class OrganMasks(Frozen):
    """One file for each organ: 1 inside, 0 outside.

    Attributes:
        paths: Our value of the organ -> its mask. An organ without a mask was not annotated.
        organs: What our values stand for, from 1: the classes of the data set.
    """

    form: Literal["masks"] = "masks"
    paths: Mapping[Annotated[int, Field(ge=1, le=MOST_ORGANS)], Path] = Field(min_length=1)
    organs: tuple[str, ...] = PAPER_ORGANS

    @model_validator(mode="after")
    def _known(self) -> "OrganMasks":
        if max(self.paths) > len(self.organs):
            raise ValueError(f"there are {len(self.organs)} organs")
        return self

    @property
    def files(self) -> tuple[Path, ...]:
        """The masks in the order of the organs."""
        return tuple(file for organ in self.annotated for file in volume_files(self.paths[organ]))

    @property
    def annotated(self) -> tuple[int, ...]:
        """Organs that the annotator looked for, ascending."""
        return tuple(sorted(self.paths))

    def meaning(self) -> object:
        """Plain values that, with the files' bytes, decide the labels."""
        return {"masks": self.annotated} | _chosen(self.organs)

    def read_with_notes(
        self, image: Scan, geometry: Form | None = None, *, may_be_empty: bool = False
    ) -> tuple[Labels, tuple[str, ...]]:
        """Join the masks on the image's grid, and say what had to be mended for that.

        Args:
            may_be_empty: Whether masks without any voxel are fine: a prediction may find nothing.

        Raises:
            UserError: A mask is unusable or lies elsewhere, two overlap, or all are empty.
        """
        joined: Labels = np.zeros(in_patient_axes(image).array.shape, dtype=np.uint8)
        notes: tuple[str, ...] = ()
        for organ in self.annotated:
            scan = read_volume(self.paths[organ], image, geometry)
            _check_same_grid(image, scan)
            inside = renamed_label(scan, _MASK_VALUES, may_be_empty=True)
            overlap = int(np.count_nonzero(joined[inside > 0]))
            if overlap:
                what = f"{overlap} voxels of the mask belong to another organ's mask too."
                raise refusal(scan.path, what, "give each voxel to one organ")
            joined[inside > 0] = organ
            notes += scan.notes
        if not (joined.any() or may_be_empty):
            fix = "give the masks of this scan, or leave the case out"
            raise refusal(self.files[0].parent, "All masks are empty.", fix)
        return joined, notes


def _chosen(organs: tuple[str, ...]) -> dict[str, object]:
    return {} if organs == PAPER_ORGANS else {"organs": organs}


LabelFiles = Annotated[LabelMap | OrganMasks, Field(discriminator="form")]
"""Either of the two."""


def _check_same_grid(image: Scan, label: Scan) -> None:
    """Refuse a label map that does not cover the same voxels of the patient as its image."""
    ours, theirs = in_patient_axes(image), in_patient_axes(label)
    check_lengths(label.path, theirs.array.shape, ours.array.shape, in_order=True)
    drift = corner_drift_voxels(ours, theirs)
    if drift > MAX_DRIFT_VOXELS:
        what = f"The label map lies up to {drift:.3g} voxels away from its image (affines differ)."
        fix = "give it the affine of its image if the arrays do match, else resample it"
        raise refusal(label.path, what, fix)


def _fitted(
    image: Scan, label: Labels, path: Path, organs: tuple[str, ...]
) -> tuple[Labels, tuple[str, ...]]:
    """Mirror a label map as the image shows that it lies."""
    order = axis_order(image.affine)
    hu, spacing_mm = to_canonical(image.array, order), spacing_dhw(image.affine, order)
    compared = compare_flips(hu, label, spacing_mm, organs)
    if compared is None or not compared.shows_enough_to_mirror:
        raise refusal(
            path,
            "The label map holds too little of liver and pancreas to tell how it lies on its "
            f"image ({MIN_LIVER_ML:.0f} ml of liver and some pancreas would do).",
            "leave the case out, or give the label map the affine of its image",
        )
    best, second = compared.scores[:2]
    if not compared.is_clear:
        raise refusal(
            path,
            f"The image does not show how the label map lies on it. Best {best}. "
            f"Second {second} ({compared.margin:.2f} times the spread).",
            "check that the label map belongs to this image, or leave the case out",
        )
    if best.flip == AS_IT_IS:
        return label, ()
    return flipped(label, best.flip), (f"label {flip_name(best.flip)} to fit the image",)
