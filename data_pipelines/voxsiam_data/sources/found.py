"""What a reader found in a folder."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from voxsiam.errors import UserError, refusal
from voxsiam_data.labels.protocols import LabelProtocol
from voxsiam_data.manifest import Case, DataKind, Manifest
from voxsiam_data.sources.case_tables import group_by_patient, with_crop_boxes


@dataclass(frozen=True)
class RefusedCase:
    """A case that cannot be used since a file of it is missing or there twice."""

    case_id: str
    error: UserError


@dataclass(frozen=True)
class Found:
    """The cases of a data set, and what its user should know of them.

    Attributes:
        notes: One sentence each: what was left out or chosen, and why.
        refused: Cases that are not in the manifest, though the folder means them to be.
        is_published: Of a known data set: its reader leaves out what is known to be unusable.
    """

    manifest: Manifest
    notes: tuple[str, ...] = ()
    refused: tuple[RefusedCase, ...] = ()
    is_published: bool = False


def collect(
    root: Path,
    read: Iterable[Case | RefusedCase],
    notes: Iterable[str] = (),
    *,
    kind: DataKind = "real",
    boxes: bool = False,
) -> Found:
    """Put together what a reader made of a folder; the patients are those of patients.csv.

    Args:
        boxes: Whether the layout may have a crops.csv.
    """
    listed = tuple(read)
    cases = tuple(each for each in listed if isinstance(each, Case))
    refused = tuple(each for each in listed if isinstance(each, RefusedCase))
    if refused and not cases:
        raise joined(refused, 0)
    cases = group_by_patient(cases, root)
    if boxes:
        cases = with_crop_boxes(cases, root)
    return Found(Manifest(cases, root, kind), tuple(notes), refused)


def joined(refused: tuple[RefusedCase, ...], good: int) -> UserError:
    """Say what is wrong with the first refused case, and how many others there are."""
    error, others = refused[0].error, len(refused) - 1
    more = f" ({others} other case{'s are' if others > 1 else ' is'} bad too.)" if others else ""
    leave_out = ""
    if good:
        leave_out = f", or go on with the {good} good cases: --leave-out-refused"
    return UserError(error.what + more, where=error.where, fix=error.fix + leave_out)


def require_protocol(given: LabelProtocol | None, known: LabelProtocol, root: Path) -> None:
    """Refuse a label protocol other than the one that a data set is published with."""
    if given is not None and given.name != known.name:
        raise refusal(
            root,
            f"The labels of this data set follow '{known.name}', not '{given.name}'.",
            "leave --protocol out",
        )


def left_out(numbers: Collection[int], why: str) -> tuple[str, ...]:
    """Write a note of numbered cases that are left out, if there are any."""
    return (f"left out, {why}: {id_ranges(numbers)}",) if numbers else ()


def id_ranges(numbers: Iterable[int]) -> str:
    """Write numbers briefly: 0001-0003, 0007."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    ends = [dict.fromkeys((run[0], run[-1])) for run in runs]
    return ", ".join("-".join(f"{number:04}" for number in pair) for pair in ends)
