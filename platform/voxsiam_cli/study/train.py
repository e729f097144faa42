"""voxsiam train: one system by itself."""

from typing import Annotated

import typer

from voxsiam_cli.options import (
    DEFAULT_WORKSPACE,
    Data,
    GpuShare,
    Owner,
    Patience,
    PresetName,
    Seeds,
    Settings,
    SplitFile,
    Workers,
    Workspace,
    find_named,
    find_preset,
    read_choices,
)
from voxsiam_cli.workspace.opening import open_workspace


def train(  # noqa: PLR0913
    recipe: Annotated[
        str,
        typer.Argument(
            help="unet3d, residual_unet3d, vnet, attention_unet3d, supervised_contrastive "
            "or voxel_simsiam."
        ),
    ],
    preset: PresetName = "mini",
    data: Data = None,
    seeds: Seeds = 1,
    workers: Workers = None,
    gpu_share: GpuShare = 1.0,
    settings: Settings = None,
    split: SplitFile = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    _patience: Patience = None,
    _owner: Owner = None,
) -> None:
    """Train one of the six systems of Tables I and II, test it, and write its report.

    It is a study of one row: `voxsiam study status` shows it, `voxsiam study resume train-vnet`
    goes on with it. Examples:

    voxsiam train vnet --preset tiny

    voxsiam train voxel_simsiam --data prepared --preset mini --set epochs=60

    voxsiam train unet3d --set feature_loss='{"layers": 3, "weight": 10}'
    """
    from voxsiam_cli.data.prepared import fetch_data
    from voxsiam_cli.study.session import start_study
    from voxsiam_experiments.trainings import TRAININGS

    table = find_named("recipe", recipe, TRAININGS, "voxsiam train")
    choices = read_choices(seeds, workers, gpu_share, settings, split)
    folder = open_workspace(workspace, "train")
    start_study(table, find_preset(preset), fetch_data(data, folder), choices, folder)
