"""The code that a job runs: the packages of this installation, laid side by side in one folder."""

import importlib.util
import shutil
from collections.abc import Iterable
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.orchestration.runs.source_commit import COMMIT_FILE, source_commit

PACKAGES = ("voxsiam", "voxsiam_cli", "voxsiam_data", "voxsiam_experiments", "voxsiam_dashboards")
LARGEST_PACKAGE_BYTES = 20 * 2**20
"""The code has less than 2 MB; Ray itself refuses above 500 MB, after a long upload."""

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def pack_code(folder: Path, files: Iterable[Path] = ()) -> int:
    """Copy our packages and small files into a folder that Ray sends as a job's working directory.

    The data, the workspace, `.git` and everything else beside the packages stay here.

    Args:
        folder: Where to; it must not exist yet.
        files: Sent along under their own names.

    Returns:
        Size in bytes.

    Raises:
        UserError: Something large lies in the packages; nothing has been sent then.
    """
    for name in PACKAGES:
        shutil.copytree(_folder_of(name), folder / name, ignore=_LEFT_OUT)
    for file in files:
        shutil.copy(file, folder / file.name)
    if commit := source_commit():
        (folder / PACKAGES[0] / COMMIT_FILE).write_text(commit)
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if sum(sizes.values()) > LARGEST_PACKAGE_BYTES:
        largest = max(sizes, key=sizes.__getitem__)
        raise UserError(
            f"the code has {sum(sizes.values()) / 2**20:.0f} MiB, more than "
            f"{LARGEST_PACKAGE_BYTES / 2**20:.0f}: something else lies in its folders",
            where=f"{largest.relative_to(folder)} ({sizes[largest] / 2**20:.0f} MiB)",
            fix="move it out of the packages",
        )
    return sum(sizes.values())


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package)
    return Path(next(iter(spec.submodule_search_locations)))
