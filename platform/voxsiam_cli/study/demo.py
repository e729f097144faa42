"""voxsiam demo: the whole way on phantoms, in minutes."""

from voxsiam_cli.console import say
from voxsiam_cli.options import DEFAULT_WORKSPACE, Patience, Workspace
from voxsiam_cli.workspace.opening import open_workspace


def demo(workspace: Workspace = DEFAULT_WORKSPACE, _patience: Patience = None) -> None:
    """Make phantoms, prepare them, run Table III at size mini (3 rows x 2 seeds), report."""
    from voxsiam_cli.study.session import start_study
    from voxsiam_experiments.plan import Choices
    from voxsiam_experiments.presets import PRESETS
    from voxsiam_experiments.studies import STUDIES

    folder = open_workspace(workspace, "train")
    say("Table III on 30 phantoms: 3 rows x 2 seeds; about 10 minutes on 2 cores.")
    start_study(STUDIES["table3"], PRESETS["mini"], None, Choices(), folder)
