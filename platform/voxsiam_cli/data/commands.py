"""voxsiam data: make phantoms, prepare volumes, describe a prepared set.

Heavy libraries are imported inside the commands, so that --help answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from voxsiam_cli.console import Steps, console, print_json, say, say_unused
from voxsiam_cli.data import check, publish, sources, split, statistics, verify
from voxsiam_cli.options import (
    DEFAULT_WORKSPACE,
    AsJson,
    GeometryForm,
    Ignored,
    Patience,
    Workspace,
    find_geometry,
    local,
    parse_grid,
)

app = typer.Typer(
    help="Many volumes: sources, checks, preparation, splits, phantoms.", no_args_is_help=True
)
app.command()(check.check)
app.command()(sources.sources)
app.command()(sources.fetch)
app.command()(publish.publish)
app.command()(split.split)
app.command()(statistics.statistics)
app.command()(verify.verify)


@app.command()
def phantom(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder to write.", callback=local)
    ],
    cases: Annotated[int, typer.Option(min=1, help="How many patients.")] = 30,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal files.")] = 0,
    anatomy: Annotated[
        Path | None, typer.Option(help="Paint the label maps of this folder instead.")
    ] = None,
) -> None:
    """Write synthetic abdominal CTs in the nnU-Net layout.

    Example: voxsiam data phantom --cases 10 --seed 1 -o phantoms
    """
    from voxsiam_data.phantom.dataset import write_phantoms

    with Steps("phantoms") as steps:
        write_phantoms(output, cases=cases, seed=seed, anatomy=anatomy, on_case=steps)
    say(f"{cases} cases in {output}")
    say(f"next: voxsiam data prepare {output} -o {output}-prepared")


@app.command()
def prepare(  # noqa: PLR0913
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Prepared set to write.", callback=local)
    ],
    source: Annotated[
        Path | None, typer.Argument(help="Data set in a layout of: voxsiam data sources.")
    ] = None,
    grid: Annotated[
        str, typer.Option(help="HxWxD that every volume is resampled to.")
    ] = "128x128x64",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Override, e.g. interpolation=cubic.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Meaning of the label values, where SOURCE leaves it open.")
    ] = None,
    paper: Annotated[bool, typer.Option("--paper", help="The paper's 90 cases.")] = False,
    pancreas_ct: Annotated[
        Path | None, typer.Option(help="--paper: Pancreas-CT of TCIA, if not in SOURCE.")
    ] = None,
    btcv: Annotated[
        Path | None, typer.Option(help="--paper: RawData of BTCV, if not in SOURCE.")
    ] = None,
    zenodo: Annotated[
        Path | None, typer.Option(help="--paper: references of Zenodo 1169361, if not in SOURCE.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="--paper: go on with the cases that are there.")
    ] = False,
    leave_out_refused: Annotated[
        bool, typer.Option("--leave-out-refused", help="Go on without cases that are unusable.")
    ] = False,
    checks: Annotated[
        bool, typer.Option("--checks/--no-checks", help="Refuse what `data check` refuses.")
    ] = True,
    geometry: GeometryForm = None,
    ignore: Ignored = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    _patience: Patience = None,
) -> None:
    """Read, orient, window and resample every case of SOURCE, as a Ray Data job.

    A second call does nothing. The exit code is 1 where a scan or label map of SOURCE was not used.

    Examples:
    voxsiam data prepare phantoms -o prepared

    voxsiam data prepare Task07 -o prepared-small --grid 64x64x32 --set crop=body

    voxsiam data prepare FLARE22 -o prepared-flare --protocol flare22

    voxsiam data prepare downloads --paper -o prepared-paper
    """  # fmt: skip
    from voxsiam_cli.data.prepared import choose_preparation, prepare_source
    from voxsiam_data.prepared.case_task import CaseRefused
    from voxsiam_data.prepared.prepare import BadCases

    config = choose_preparation(parse_grid(grid), settings or ())
    options = sources.SourceOptions(
        source, protocol, paper, pancreas_ct, btcv, zenodo, allow_missing, leave_out_refused
    )
    found = sources.choose_source(options, boxes=config.crop == "box")
    unused = sources.unused_of(options, found, ignore or ())
    for note in found.notes:
        say(f"note: {note}")
    say_unused(unused)
    known = tuple(CaseRefused.of(one.case_id, one.error) for one in found.refused)
    bad_cases = BadCases(checked=checks, leave_out=leave_out_refused, known=known)
    manifest = found.manifest.with_geometry(find_geometry(geometry))
    prepared = prepare_source(manifest, output, config, workspace, bad_cases)
    sources.record_source(prepared, found, is_paper=paper)
    for case in prepared.cases:
        for note in case.notes:
            say(f"note: {case.case_id}: {note}")
    d, h, w = config.grid_dhw
    say(
        f"{len(prepared.cases)} cases on {h}x{w}x{d} in {output} "
        f"(fingerprint {prepared.fingerprint})"
    )
    say(f"next: voxsiam study run table3 --preset tiny --data {output}")
    if any(one.is_lost for one in unused):
        raise typer.Exit(1)


@app.command()
def describe(
    prepared: Annotated[Path, typer.Argument(help="A prepared set.")], as_json: AsJson = False
) -> None:
    """List the cases of a prepared set."""
    from rich.table import Column, Table

    from voxsiam_data.prepared.prepared_set import open_prepared

    opened = open_prepared(prepared)
    rows = opened.describe()
    if as_json:
        print_json(rows)
        return
    for name, value in opened.config.changed_fields().items():
        say(f"{name} = {value}")
    if not opened.checked:
        say("note: not all cases have passed the checks; voxsiam data prepare checks them")
    shown = [name for name in rows[0] if name != "box" or any(row["box"] for row in rows)]
    table = Table(*(Column(name, overflow="fold") for name in shown), title=str(prepared))
    for row in rows:
        table.add_row(*(str(row[name]) for name in shown))
    console.print(table)
