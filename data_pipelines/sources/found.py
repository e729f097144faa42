"""What a reader found in a folder."""

from dataclasses import dataclass
from pathlib import Path

from data_pipelines.label_protocols import LabelProtocol
from data_pipelines.manifest import Manifest
from voxsiam.errors import UserError


@dataclass(frozen=True)
class Found:
    """The cases of a data set, and what its user should know of them.

    Attributes:
        manifest: The cases.
        notes: One sentence each: what was left out or chosen, and why.
    """

    manifest: Manifest
    notes: tuple[str, ...] = ()


def require_protocol(given: LabelProtocol | None, known: LabelProtocol, root: Path) -> None:
    """Refuse a label protocol other than the one that a data set is published with."""
    if given is not None and given.name != known.name:
        raise UserError(
            f"The labels of this data set follow '{known.name}', not '{given.name}'.",
            where=str(root),
            fix="leave --protocol out",
        )


def left_out(numbers: set[int], why: str) -> tuple[str, ...]:
    """Write a note of numbered cases that are left out, if there are any."""
    return (f"left out, {why}: {id_ranges(list(numbers))}",) if numbers else ()


def id_ranges(numbers: list[int]) -> str:
    """Write numbers briefly: 0001-0003, 0007."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    ends = [dict.fromkeys((run[0], run[-1])) for run in runs]
    return ", ".join("-".join(f"{number:04}" for number in pair) for pair in ends)
