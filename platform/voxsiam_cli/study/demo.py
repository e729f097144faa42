"""voxsiam demo: the whole way on phantoms, in minutes."""

from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Patience, PresetName, Workspace, find_preset
from voxsiam_cli.workspace.opening import open_workspace

MINUTES = {"tiny": "about 2 minutes", "mini": "about 10 minutes"}
"""On 2 cores."""


def demo(
    preset: PresetName = "mini",
    workspace: Workspace = DEFAULT_WORKSPACE,
    _patience: Patience = None,
) -> None:
    """Make phantoms, prepare them, run Table III on them, report.

    Examples:
    voxsiam demo

    voxsiam demo --preset tiny
    """
    from voxsiam_cli.study.session import start_study
    from voxsiam_experiments.plan import Choices
    from voxsiam_experiments.studies import STUDIES

    size = find_preset(preset)
    folder = open_workspace(workspace, "train")
    table = STUDIES["table3"]
    if preset in MINUTES:
        rows = f"{len(table.rows)} rows x {size.seeds} seeds"
        say(f"Table III on {size.cases} phantoms: {rows}; {MINUTES[preset]} on 2 cores.")
    start_study(table, size, None, Choices(), folder)
