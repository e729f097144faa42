"""A data set as found: one case a row, before anything is read."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from voxsiam.errors import UserError
from voxsiam.types import CropBox
from voxsiam.volumes.label_files import LabelFiles
from voxsiam.volumes.nifti_geometry import Form

DataKind = Literal["real", "semi-synthetic", "phantom"]
"""Real scans; appearance painted on real anatomy; nothing of a patient."""


@dataclass(frozen=True)
class Case:
    """One scan and what says where its organs lie.

    Attributes:
        patient_id: Cases of one patient never stand on both sides of a split.
        image: CT in HU: a NIfTI file, or the folder of a DICOM series. None in a folder of label
            maps, which can be checked and painted, not prepared.
        source: Data set or hospital; splits are stratified by it.
        crop_box: Half-open voxel ranges along the axes of the image file, counted from 0: the
            part that `crop="box"` keeps. None keeps the whole scan.
        geometry: Which form of its NIfTI headers is right, where somebody has said so.
    """

    case_id: str
    patient_id: str
    image: Path | None
    label: LabelFiles
    source: str
    crop_box: CropBox | None = None
    geometry: Form | None = None


@dataclass(frozen=True)
class Manifest:
    """All cases of one data set: at least one, with unique ids.

    Attributes:
        kind: Reports say so wherever the scans are not real.
        name: How people call it; the folder's name where it has none of its own.
    """

    cases: tuple[Case, ...]
    root: Path
    kind: DataKind = "real"
    name: str = ""

    @property
    def organs(self) -> tuple[str, ...]:
        """The classes, in the order of their label values."""
        return self.cases[0].label.organs

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.root.resolve().name

    def with_geometry(self, geometry: Form | None) -> "Manifest":
        """Return the same cases, read by this form of their headers."""
        return replace(self, cases=tuple(replace(case, geometry=geometry) for case in self.cases))

    def __post_init__(self) -> None:
        if not self.cases:
            raise UserError(
                "The data set has no cases.",
                where=str(self.root),
                fix="check that this is the folder of the data set and that its scans are there",
            )
        counts = Counter(case.case_id for case in self.cases)
        twice = sorted(case_id for case_id, count in counts.items() if count > 1)
        if twice:
            raise UserError(
                f"{len(twice)} case ids occur more than once, first '{twice[0]}'.",
                where=str(self.root),
                fix="give every case a name of its own",
            )
