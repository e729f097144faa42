"""What was compared, and what did not fit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

TOLERANCE = 1e-9
"""Relative: figures that are computed again may differ in their last digits on another machine."""

MISSING = "nothing"


@dataclass(frozen=True)
class Mismatch:
    """One thing that is not as its source says.

    Attributes:
        where: The run or report, and the file in it.
        what: The figure, by case, organ and measure where it has them.
        expected: What follows from the source.
    """

    where: str
    what: str
    expected: str
    found: str

    @property
    def text(self) -> str:
        """The mismatch as a reader sees it."""
        return f"{self.where}: {self.what}: expected {self.expected}, found {self.found}"


@dataclass
class Check:
    """One kind of comparison over a whole study.

    Attributes:
        name: What is checked, as a heading.
        things: What is counted: so many were compared.
        notes: What a reader must know beside: what could not be compared, and why.
    """

    name: str
    things: str
    count: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def compare(
        self, where: str, expected: Mapping[str, object], found: Mapping[str, object]
    ) -> None:
        """Compare all that either side names."""
        for what in dict.fromkeys((*expected, *found)):
            self.compare_one(where, what, expected.get(what, MISSING), found.get(what, MISSING))

    def compare_one(self, where: str, what: str, expected: object, found: object) -> None:
        """Compare one thing."""
        self.count += 1
        if not alike(expected, found):
            shown = f"{expected!s:.160}", f"{found!s:.160}"
            self.mismatches.append(Mismatch(where, what, *shown))

    def skip(self, what: str) -> None:
        """Note that something was not compared, once for all runs alike."""
        note = f"not recomputed: {what}"
        if note not in self.notes:
            self.notes.append(note)

    def unreadable(self, where: str, why: str) -> None:
        """Note that a file which must be there cannot be used."""
        self.count += 1
        self.mismatches.append(Mismatch(where, "file", "a file that can be read", why))


def alike(ours: object, theirs: object, tolerance: float = TOLERANCE) -> bool:
    """Tell whether two figures are alike, NaN and NaN too; what is no figure must be equal."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours == theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        both_undefined = math.isnan(ours) and math.isnan(theirs)
        return both_undefined or math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance)
    return ours == theirs
