"""One thing that a check has to say about a case."""

from dataclasses import dataclass
from typing import Literal, get_args

from voxsiam.errors import UserError

Severity = Literal["refuse", "repair", "note"]
"""Unusable as it is; usable, after something is mended on reading; usable, worth a look."""

SEVERITIES: tuple[Severity, ...] = ("refuse", "repair", "note")
"""The worst first."""

CheckName = Literal[
    "duplicates", "flip", "sides", "body", "files", "intensities", "geometry", "labels", "headers"
]


@dataclass(frozen=True)
class Finding:
    """What is wrong with a case, or worth a look.

    Attributes:
        what: In one sentence.
        where: The file, below the folder of the data set; empty where no single file is to blame.
        slice_index: The axial slice that shows it best, counted along d.
    """

    check: CheckName
    severity: Severity
    what: str
    fix: str
    where: str = ""
    slice_index: int | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """Order of findings, the worst first; what ruins a study leads among equals."""
        return SEVERITIES.index(self.severity), get_args(CheckName).index(self.check)


def refusal_of(check: CheckName, error: UserError) -> Finding:
    """Turn the error of a reader into a finding."""
    return Finding(check, "refuse", error.what, error.fix, error.where)
