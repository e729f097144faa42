"""voxsiam data: make phantoms, prepare volumes, describe a prepared set.

Heavy libraries are imported inside the commands, so that --help answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from voxsiam_cli.console import Steps, console, print_json, say
from voxsiam_cli.options import DEFAULT_WORKSPACE, AsJson, Workspace, parse_grid

app = typer.Typer(help="Many volumes: phantoms, preparation.", no_args_is_help=True)


@app.command()
def phantom(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    cases: Annotated[int, typer.Option(min=1, help="How many patients.")] = 30,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal files.")] = 0,
    anatomy: Annotated[
        Path | None, typer.Option(help="Paint the label maps of this folder instead.")
    ] = None,
) -> None:
    """Write synthetic abdominal CTs in the nnU-Net layout.

    Example: voxsiam data phantom --cases 10 --seed 1 -o phantoms
    """
    from data_pipelines.phantom.dataset import write_phantoms

    with Steps("phantoms") as steps:
        write_phantoms(output, cases=cases, seed=seed, anatomy=anatomy, on_case=steps)
    say(f"{cases} cases in {output}")
    say(f"next: voxsiam data prepare {output} -o {output}-prepared")


@app.command()
def prepare(
    source: Annotated[
        Path, typer.Argument(help="nnU-Net/MSD folder, or folders case/{image,label}.nii.gz.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Prepared set to write.")],
    grid: Annotated[
        str, typer.Option(help="HxWxD that every volume is resampled to.")
    ] = "128x128x64",
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Read, orient, resample and window every case of SOURCE, as a Ray Data job.

    A second call does nothing. Examples:

    voxsiam data prepare phantoms -o prepared

    voxsiam data prepare Task07 -o prepared-small --grid 64x64x32
    """  # fmt: skip
    from voxsiam.volumes.preparation import PreparationConfig
    from voxsiam_cli.datasets import prepare_source

    config = PreparationConfig(grid_dhw=parse_grid(grid))
    prepared = prepare_source(source, output, config, workspace)
    say(f"{len(prepared.cases)} cases on {grid} in {output} (fingerprint {prepared.fingerprint})")
    say(f"next: voxsiam study run table3 --preset tiny --data {output}")


@app.command()
def describe(
    prepared: Annotated[Path, typer.Argument(help="A prepared set.")], as_json: AsJson = False
) -> None:
    """List the cases of a prepared set."""
    from rich.table import Table

    from data_pipelines.prepared_set import open_prepared

    rows = open_prepared(prepared).describe()
    if as_json:
        print_json(rows)
        return
    table = Table(*rows[0], title=str(prepared))
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table)
