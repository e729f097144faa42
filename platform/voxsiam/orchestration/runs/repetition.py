"""What a repeated run says about the first one: the same, within tolerance, or different."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from voxsiam.orchestration.runs.manifest import CASES_FILE, EPOCHS_FILE, RunManifest

TOLERANCE = 1e-6
"""Of float32 on the loss: what two orders of adding up may differ by. Relative; absolute below 1.
"""

LOSS = "train/loss"
_COMPARED = ("test, ", "last epoch, train/", "last epoch, validation/", "last epoch, learning_rate")
"""The other figures tell of the machine: its speed, its memory."""

Verdict = Literal["same", "within tolerance", "different"]


@dataclass(frozen=True)
class Repetition:
    """Two runs of one plan side by side.

    Attributes:
        largest: The largest difference of a test score or a figure of the last epoch.
        largest_of: Which one; None where no figure differs.
        reasons: What was otherwise, and what came out otherwise.
    """

    verdict: Verdict
    largest: float
    largest_of: str | None
    reasons: tuple[str, ...]


def compare_runs(first: RunManifest, again: RunManifest) -> Repetition:
    """Compare a run with its repetition, by their manifests alone.

    Same: equal bytes of cases.csv and an equal last loss. Within tolerance: every test score and
    every figure of the last epoch differs by no more than TOLERANCE.
    """
    differences = dict(_differences(first, again))
    largest_of = max(differences, key=differences.__getitem__, default=None)
    largest = differences[largest_of] if largest_of else 0.0
    equal_cases = first.files.get(CASES_FILE) == again.files.get(CASES_FILE)
    verdict: Verdict = "different"
    if equal_cases and first.last_record.get(LOSS) == again.last_record.get(LOSS):
        verdict = "same"
    elif largest <= TOLERANCE:
        verdict = "within tolerance"
    names = sorted(first.files.keys() | again.files.keys())
    files = [name for name in names if first.files.get(name) != again.files.get(name)]
    # It tells the seconds of every epoch, which are never the same.
    files = [name for name in files if name != EPOCHS_FILE]
    return Repetition(
        verdict=verdict,
        largest=largest,
        largest_of=largest_of if largest else None,
        reasons=(
            *first.environment.differences(again.environment),
            *(f"{name} has other bytes" for name in files),
        ),
    )


def _differences(first: RunManifest, again: RunManifest) -> Iterator[tuple[str, float]]:
    """Compare the figures that do not tell of the machine."""
    sides = (
        ("test", first.summary, again.summary),
        ("last epoch", first.last_record, again.last_record),
    )
    for side, ours, theirs in sides:
        for name in ours.keys() | theirs.keys():
            named = f"{side}, {name}"
            if named.startswith(_COMPARED):
                yield named, _difference(ours.get(name), theirs.get(name))


def _difference(ours: float | None, theirs: float | None) -> float:
    if ours is None or theirs is None:
        return float("inf")
    return abs(ours - theirs) / max(1.0, abs(ours))
