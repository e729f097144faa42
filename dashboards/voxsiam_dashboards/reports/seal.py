"""The seal of a written report: the SHA-256 of each of its files, and what wrote them."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Literal

from voxsiam.durable_files import sha256_of, write_json
from voxsiam.errors import UserError
from voxsiam.orchestration.runs.source_commit import source_commit
from voxsiam.small_files import Limits, read_json_bytes
from voxsiam.types import Frozen

SEAL = "seal.json"
_LIBRARIES = (
    "voxsiam", "jinja2", "matplotlib", "numpy", "pandas", "pillow", "plotly", "scikit-image",
    "scikit-learn", "scipy",
)  # fmt: skip
_LIMITS = Limits(2**20, 10_000)


class ReportSeal(Frozen):
    """What a report was when it was written.

    Attributes:
        files: SHA-256 by path in its folder.
        environment: What wrote it; another one may write other bytes of the same content.
    """

    format_version: Literal[1] = 1
    study_id: str
    files: dict[str, str]
    environment: dict[str, str]


def seal_report(folder: Path, study_id: str) -> None:
    """Seal the files of a report that are there."""
    seal = ReportSeal(study_id=study_id, files=hash_files(folder), environment=environment())
    write_json(folder / SEAL, seal.model_dump(mode="json"))


def read_seal(folder: Path) -> ReportSeal:
    """Read the seal of a report.

    Raises:
        UserError: It is damaged.
    """
    path = folder / SEAL
    try:
        return ReportSeal.model_validate_json(read_json_bytes(path, _LIMITS))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{SEAL} of the report cannot be read ({str(error).splitlines()[0]:.80})",
            where=str(path),
            fix="write the report again: voxsiam study report",
        ) from None


def hash_files(folder: Path) -> dict[str, str]:
    """Hash all files of a report but its seal, by their paths in it."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SEAL)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in found}


def environment() -> dict[str, str]:
    """Name what the bytes of a page and of a picture depend on."""
    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    machine = {"python": platform.python_version(), "system": platform.platform()}
    return found | machine | {"commit": source_commit() or ""}
