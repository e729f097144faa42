"""What a simulated share may be, given how many studies were drawn."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """A share of simulated studies that is held to bounds.

    Attributes:
        of: What it is a share of, in words.
        value: From 0 to 1.
        draws: How many studies were drawn.
        low: The least that is allowed.
        high: The most.
    """

    of: str
    value: float
    draws: int
    low: float = 0.0
    high: float = 1.0

    @property
    def holds(self) -> bool:
        """Tell whether the bounds hold, but for the chance of so few draws (three deviations)."""
        return (
            self.low - self._chance(self.low) <= self.value <= self.high + self._chance(self.high)
        )

    def _chance(self, share: float) -> float:
        return 3 * math.sqrt(share * (1 - share) / self.draws)


def told(shares: list[Share]) -> str:
    """Name every share that leaves its bounds; empty where none does."""
    return "\n".join(
        f"{share.of}: {share.value:.3f} lies outside {share.low:g} to {share.high:g}"
        for share in shares
        if not share.holds
    )


def print_table(header: list[str], lines: list[list[str]]) -> None:
    """Print a table as Markdown."""
    for line in (header, ["---"] * len(header), *lines):
        print("| " + " | ".join(line) + " |")
    print()
