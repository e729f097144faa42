"""The pins of `requirements`, as the tests read them."""

import re
from pathlib import Path
from typing import NamedTuple

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
PIN = re.compile(r"([a-z0-9.-]+)==([^ ]+)(?: ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


class Pin(NamedTuple):
    name: str
    version: str
    hashes: int


def pins(file: str) -> list[Pin]:
    """Each package of a file; a line that is neither a package nor a hash is an error."""
    found: list[Pin] = []
    for line in (REQUIREMENTS / f"{file}.txt").read_text().splitlines():
        if start := PIN.fullmatch(line):
            found.append(Pin(start[1], start[2], 0))
        else:
            assert HASH.fullmatch(line), line
            found[-1] = found[-1]._replace(hashes=found[-1].hashes + 1)
    return found


def installed_by_make() -> dict[str, str]:
    """Name and version of all that `make install` takes by its hash."""
    return {
        pin.name: pin.version for file in ("product", "build", "development") for pin in pins(file)
    }
