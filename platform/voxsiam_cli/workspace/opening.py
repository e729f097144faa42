"""The workspace that a command uses: found where it lies, and named in the output."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voxsiam_cli.console import say

if TYPE_CHECKING:
    from voxsiam.orchestration.workspace import Workspace

Use = Literal["look", "change", "train"]
"""Looking needs no right to write; only training makes a workspace where there is none."""


def open_workspace(folder: Path, use: Use, *, as_json: bool = False) -> "Workspace":
    """Open the workspace of a command and say which it is.

    Args:
        folder: As the user named it, or the usual name below the current folder.
        as_json: The output is for machines alone: it is not named.

    Raises:
        UserError: There is none, or it cannot be written and must be.
    """
    from voxsiam.orchestration.workspace import Workspace

    workspace = Workspace(folder, may_write=use == "train")
    if use == "change":
        workspace = Workspace(folder)
    if not as_json:
        say(f"workspace: {workspace.root}")
    return workspace
