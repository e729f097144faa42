"""Every simulation, as the page docs/simulations.md.

Run: make simulate
Ends with 1 where a share leaves its bounds, and names it.
"""

import argparse
import sys

import intervals
import tables

TITLE = """# Simulations

Made by `make simulate`; what the figures mean stands in [statistics.md](statistics.md). Draws are
seeded, so that the same code gives the same page.
"""


def main(draws: int | None) -> str:
    """Print the page; return what left its bounds."""
    print(TITLE)
    print("## Intervals\n")
    left = intervals.main(draws or intervals.DRAWS)
    print("## Tables of rows\n")
    return f"{left}\n{tables.main(draws or tables.DRAWS)}".strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, help="studies for each line; else 4,000 and 10,000")
    sys.exit(main(parser.parse_args().draws) or 0)
