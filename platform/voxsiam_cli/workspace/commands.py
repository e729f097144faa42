"""voxsiam workspace: what is done to the folder as a whole."""

from typing import Annotated

import typer

from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Workspace
from voxsiam_cli.workspace.opening import open_workspace

app = typer.Typer(help="The folder that holds everything a run writes.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `repair` a command of its own while it is the only one."""


@app.command()
def repair(
    workspace: Workspace = DEFAULT_WORKSPACE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, only say.")] = False,
) -> None:
    """Rewrite the whole paths that version 0.1.0 kept, so that they are the workspace's own.

    It may be used without: such paths are understood wherever the workspace lies now. What is right
    already is left alone; what cannot be read is named, left as it is, and the exit code is 1.

    Examples:
    voxsiam workspace repair --dry-run

    voxsiam workspace repair --workspace /archive/voxsiam-workspace
    """
    from voxsiam_cli.workspace.repair import repair_workspace

    folder = open_workspace(workspace, "look" if dry_run else "change")
    done, unread = repair_workspace(folder, dry_run=dry_run)
    for line in done:
        say(f"{'would be rewritten' if dry_run else 'rewritten'}: {line}")
    for error in unread:
        say(f"cannot be read: {error.where} ({error.what})", "red")
    if not done and not unread:
        say("there is nothing to repair.")
    if unread:
        raise typer.Exit(1)
