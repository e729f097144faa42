"""One thing that a check has to say about a case."""

from typing import Literal, get_args

from voxsiam.errors import UserError
from voxsiam.types import Frozen

Severity = Literal["refuse", "repair", "note"]
"""Unusable as it is; usable, after something is mended on reading; usable, worth a look."""

SEVERITIES: tuple[Severity, ...] = ("refuse", "repair", "note")
"""The worst first."""

CheckName = Literal[
    "duplicates", "flip", "sides", "body", "files", "intensities", "geometry", "labels", "headers"
]


class Finding(Frozen):
    """What is wrong with a case, or worth a look.

    Attributes:
        case_id: The case.
        check: Which check says so.
        severity: How bad it is.
        what: In one sentence.
        fix: What to do about it.
        where: The file, below the folder of the data set; empty where no single file is to blame.
        slice_index: The axial slice that shows it best, counted along d.
    """

    case_id: str
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

    def as_error(self, where: str) -> UserError:
        """Turn a refusal into the error that preparation raises."""
        return UserError(self.what, where=where, fix=self.fix)


def refusal_of(case_id: str, check: CheckName, error: UserError) -> Finding:
    """Turn the error of a reader into a finding."""
    return Finding(
        case_id=case_id,
        check=check,
        severity="refuse",
        what=error.what,
        fix=error.fix,
        where=error.where,
    )
