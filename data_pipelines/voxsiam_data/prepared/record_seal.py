"""The seal of a prepared set's record: its SHA-256, in a file beside it.

The fingerprint names the volumes. What else the record says of a case (patient, source, voxel
size, organs) decides splits, losses and distances, and is sealed here as a whole. A set of before
there were seals has none. Whoever can write both files can forge both.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints

from voxsiam.durable_files import write_json, write_text_atomically
from voxsiam.small_files import Limits, read_json_bytes, require_few_values
from voxsiam.types import Frozen

SEAL = "prepared.seal.json"
_LIMITS = Limits(2**16, 100)

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class RecordSeal(Frozen):
    """What a record's file may be: two while one record takes the place of another."""

    format_version: Literal[1] = 1
    record_sha256: tuple[Sha256, ...]

    def fits(self, record: bytes) -> bool:
        """Tell whether this record was sealed."""
        return _sha256(record) in self.record_sha256


def read_seal(root: Path) -> RecordSeal | None:
    """Read the seal of a set; None where it has none.

    Raises:
        OSError: It is no regular file, or cannot be read.
        ValueError: It is no seal.
    """
    if not (root / SEAL).exists():
        return None
    return parse_seal(read_json_bytes(root / SEAL, _LIMITS))


def parse_seal(content: bytes) -> RecordSeal:
    """Read a seal from the content of its file; a ValueError says that it is none."""
    require_few_values(content, _LIMITS)
    return RecordSeal.model_validate_json(content)


def write_sealed(path: Path, record: str) -> None:
    """Replace a record and its seal: whoever opens the set meanwhile finds a pair that fits."""
    new = _sha256(record.encode())
    try:
        before = read_seal(path.parent)
    except (OSError, ValueError):
        before = None  # it is made anew
    _write(path.parent, (new, *(before.record_sha256[:1] if before else ())))
    write_text_atomically(path, record)
    _write(path.parent, (new,))


def _write(root: Path, sums: tuple[str, ...]) -> None:
    seal = RecordSeal(record_sha256=tuple(dict.fromkeys(sums)))
    write_json(root / SEAL, seal.model_dump(mode="json"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
