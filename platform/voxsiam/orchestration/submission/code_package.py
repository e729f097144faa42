"""The code that a job runs: the packages of this installation, laid side by side in one folder."""

import shutil
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.orchestration.runs.source_commit import COMMIT_FILE, source_commit

PACKAGES = (
    "voxsiam", "voxsiam_cli", "voxsiam_api", "voxsiam_data", "voxsiam_experiments",
    "voxsiam_dashboards",
)  # fmt: skip
LARGEST_PACKAGE_BYTES = 20 * 2**20
"""The code has less than 2 MB; Ray itself refuses above 500 MB, after a long upload."""

SENT = "\0"
"""Before the name of a file that travels, in the words of a command."""

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def pack_code(folder: Path, files: Iterable[Path] = ()) -> int:
    """Copy our packages and small files into a folder that Ray sends as a job's working directory.

    The data, the workspace, `.git` and everything else beside the packages stay here. The folder
    must not exist yet; its size in bytes is returned.

    Raises:
        UserError: Something large lies in the packages; nothing has been sent then.
    """
    for name in PACKAGES:
        shutil.copytree(str(resources.files(name)), folder / name, ignore=_LEFT_OUT)
    for file in files:
        shutil.copy(file, folder / file.name)
    if commit := source_commit():
        (folder / PACKAGES[0] / COMMIT_FILE).write_text(commit)
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    total = sum(sizes.values())
    if total > LARGEST_PACKAGE_BYTES:
        largest = max(sizes, key=sizes.__getitem__)
        raise UserError(
            f"the code has {total / 2**20:.0f} MiB, more than "
            f"{LARGEST_PACKAGE_BYTES / 2**20:.0f}: something else lies in its folders",
            where=f"{largest.relative_to(folder)} ({sizes[largest] / 2**20:.0f} MiB)",
            fix="move it out of the packages",
        )
    return total
