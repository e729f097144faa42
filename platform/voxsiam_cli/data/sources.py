"""voxsiam data sources|fetch, and the source that `voxsiam data prepare` was given."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxsiam.errors import UserError
from voxsiam_cli.console import Steps, console, print_json, say
from voxsiam_cli.options import AsJson, local

if TYPE_CHECKING:
    from voxsiam.volumes.unused_file import UnusedFile
    from voxsiam_data.prepared.prepared_set import PreparedSet
    from voxsiam_data.sources.found import Found


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
    say("fetched by this program (voxsiam data fetch NAME -o FOLDER): " + ", ".join(_fetched()))


def fetch(
    name: Annotated[str, typer.Argument(help="A name of: voxsiam data sources.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder to write into.", callback=local)
    ],
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


@dataclass(frozen=True)
class SourceOptions:
    """What the user said about the source of a preparation."""

    source: Path | None
    protocol: str | None
    paper: bool
    pancreas_ct: Path | None
    btcv: Path | None
    zenodo: Path | None
    allow_missing: bool
    leave_out_refused: bool


def choose_source(options: SourceOptions, *, boxes: bool = False) -> "Found":
    """Find the cases to prepare.

    Args:
        boxes: Read Zenodo's cropping.csv too, where it lies beside its references.

    Raises:
        UserError: The options do not go together, or the data are unusable.
    """
    from voxsiam_data.sources.layouts.zenodo_boxes import with_zenodo_boxes

    found = _paper_cases(options) if options.paper else _source_cases(options)
    folder = options.zenodo or options.source
    return with_zenodo_boxes(found, folder) if boxes and folder else found


def unused_of(options: SourceOptions, found: "Found", ignored: Sequence[str]) -> "list[UnusedFile]":
    """List what lies in the folders of a source and is not used."""
    from voxsiam_data.sources.inventory import unused_files

    given = [value for _, value in _folders(options)] if options.paper else []
    folders = {folder.resolve() for folder in (options.source, *given) if folder is not None}
    # One that lies in another is looked through with it.
    outer = sorted(folder for folder in folders if not folders & set(folder.parents))
    return [one for folder in outer for one in unused_files(folder, found, ignored)]


def record_source(prepared: "PreparedSet", found: "Found", *, is_paper: bool) -> None:
    """Write beside a prepared set which of the paper's cases it holds, where it is the paper's."""
    from voxsiam_data.prepared.paper_record import RECORD, write_paper_record

    if is_paper:
        write_paper_record(prepared, found)
    else:  # the folder may have held the paper's set before
        (prepared.root / RECORD).unlink(missing_ok=True)


def _source_cases(options: SourceOptions) -> "Found":
    from voxsiam_data.labels.protocols import protocol
    from voxsiam_data.sources.detect import find_source

    for option, value in (*_folders(options), ("--allow-missing", options.allow_missing)):
        if value:
            raise _refuse(option, "it goes with --paper only", "add --paper, or leave it out")
    if options.source is None:
        raise _refuse("SOURCE", "no data set is named", "give its folder, or --paper")
    known = protocol(options.protocol) if options.protocol else None
    return find_source(options.source, known, keep_refused=options.leave_out_refused)


def _paper_cases(options: SourceOptions) -> "Found":
    from voxsiam_data.sources.layouts.paper import PaperFolders, find_paper_cases

    if options.protocol:
        raise _refuse("--protocol", "the paper's labels are Zenodo's", "leave it out")
    folders: dict[str, Path] = {}
    for option, value in _folders(options):
        folder = value or options.source
        if folder is None:
            raise _refuse(
                option,
                "the paper's data have no folder",
                f"give {option} FOLDER, or one SOURCE that holds all three downloads",
            )
        folders[option] = folder
    return find_paper_cases(PaperFolders(*folders.values()), allow_missing=options.allow_missing)


def _folders(options: SourceOptions) -> tuple[tuple[str, Path | None], ...]:
    return (
        ("--pancreas-ct", options.pancreas_ct),
        ("--btcv", options.btcv),
        ("--zenodo", options.zenodo),
    )


def _fetched() -> list[str]:
    from voxsiam_data.sources.download.catalogue import CATALOGUE

    return [entry.name for entry in CATALOGUE if entry.downloads]


def _refuse(where: str, what: str, fix: str) -> UserError:
    return UserError(what, where=where, fix=fix)
