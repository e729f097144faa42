"""voxsiam data: make phantoms, prepare volumes; a prepared set described, verified, published."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from voxsiam.errors import UserError
from voxsiam_cli.console import Steps, console, print_json, say
from voxsiam_cli.data import check, prepare, split
from voxsiam_cli.options import (
    AsJson,
    is_uri,
    output_option,
)
from voxsiam_data.splits.split_file import read_one_split

Prepared = Annotated[Path, typer.Argument(help="A prepared set.")]

app = typer.Typer(
    help="Many volumes: sources, checks, preparation, splits, phantoms.", no_args_is_help=True
)
app.command()(check.check)


@app.command()
def sources(as_json: AsJson = False) -> None:
    """List the data sets that can be prepared: what to download, from where, under which terms."""
    from voxsiam_data.sources.download.catalogue import CATALOGUE

    if as_json:
        print_json([asdict(entry) for entry in CATALOGUE])
        return
    for entry in CATALOGUE:
        console.rule(f"[bold]{entry.name}[/bold]", align="left", style="dim")
        say(entry.title)
        say(f"  get       {entry.download}")
        say(f"  from      {entry.page}" + ("  (registration)" if entry.registration else ""))
        say(f"  terms     {entry.terms}")
        say(f"  size      {entry.size}")
        say(f"  layout    {entry.layout}")
        say(f"  protocol  {entry.protocol or 'named in dataset.json'}")
    say()
    fetched = ", ".join(entry.name for entry in CATALOGUE if entry.downloads)
    say(f"fetched by this program (voxsiam data fetch NAME -o FOLDER): {fetched}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name of: voxsiam data sources.")],
    output: Annotated[Path, output_option("Folder to write into.")],
) -> None:
    """Fetch an openly downloadable data set, with checksums; a second call fetches nothing.

    Example: voxsiam data fetch zenodo-labels -o downloads
    """
    from voxsiam_data.sources.download.fetch import catalogue_entry
    from voxsiam_data.sources.download.fetch import fetch as fetch_files

    entry = catalogue_entry(name)
    with Steps("files") as steps:
        found = fetch_files(entry, output, steps)
    for path in found:
        say(str(path))
    say(f"terms: {entry.terms}; {entry.page}")


@app.command()
def publish(
    prepared: Prepared,
    uri: Annotated[str, typer.Argument(help="Where to: s3://bucket/folder, gs://bucket/folder.")],
) -> None:
    """Copy a prepared set into an object store; --data takes the address then.

    Volumes that are there already are not sent again. Example:

    voxsiam data publish prepared s3://bucket/flare22
    """
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_data.prepared.remote_set import RemoteSet

    if not is_uri(uri):
        raise UserError(
            f"'{uri}' is no address of an object store",
            where="URI",
            fix="give one as s3://bucket/folder; a folder is copied with cp -r",
        )
    with Steps("publish") as steps:
        RemoteSet(uri).publish(open_prepared(prepared), steps)
    say(f"next: voxsiam study run table3 --preset tiny --data {uri}")


app.command()(split.split)


@app.command()
def statistics(
    prepared: Annotated[Path, typer.Argument(help="Prepared with intensity=unit, the default.")],
    split: Annotated[
        Path, typer.Option(help="One split, as voxsiam data split writes it: who trains.")
    ],
    as_json: AsJson = False,
) -> None:
    """Compute mean and deviation of the HU over the training cases, and note on whom, in PREPARED.

    Prepare into the same folder afterwards: a split that tests one of these cases is then refused.

    Example: voxsiam data statistics prepared --split split.csv
    """
    from voxsiam_data.prepared.intensity_statistics import compute_statistics, keep_statistics
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_data.splits.leaks import check_split

    opened, chosen = open_prepared(prepared), read_one_split(split)
    check_split(chosen, opened, str(split))
    with Steps("statistics", quiet=as_json) as steps:
        found = compute_statistics(opened, chosen.train, steps)
    record = keep_statistics(opened.root, found)
    if as_json:
        print_json({**found.model_dump(mode="json"), "record": str(record)})
        return
    say(f"mean {found.mean_hu:g} HU, standard deviation {found.std_hu:g} HU")
    say(f"over the {len(found.cases)} training cases: {', '.join(found.cases)}")
    d, h, w = opened.config.grid_dhw
    kept = (f"{name}={json.dumps(v)}" for name, v in opened.config.changed_fields().items())
    settings = " ".join(f"--set '{setting}'" for setting in (*kept, *found.settings))
    say(f"next: voxsiam data prepare SOURCE -o {prepared} --grid {h}x{w}x{d} {settings}")


@app.command()
def verify(prepared: Prepared, as_json: AsJson = False) -> None:
    """Compare a prepared set with its seal, its checksums and its record, voxel by voxel.

    Exit code 1 where something is wrong. Example: voxsiam data verify prepared
    """
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_data.prepared.record_seal import read_seal
    from voxsiam_data.prepared.verification import verify_set

    opened = open_prepared(prepared)
    sealed = read_seal(opened.root) is not None
    with Steps("verify", quiet=as_json) as steps:
        found = verify_set(opened, steps)
    if as_json:
        print_json({"cases": len(opened.cases), "sealed": sealed, "wrong": found})
    else:
        for fault in found:
            say(f"wrong: {fault}")
        if not sealed:
            say("note: no seal: patients and sources could be altered; data prepare writes one")
        say(f"{len(opened.cases)} cases, {len(found)} faults (fingerprint {opened.fingerprint})")
    if found:
        raise typer.Exit(1)


@app.command()
def phantom(
    output: Annotated[Path, output_option("Folder to write.")],
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


app.command()(prepare.prepare)


@app.command()
def describe(prepared: Prepared, as_json: AsJson = False) -> None:
    """List the cases of a prepared set."""
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
