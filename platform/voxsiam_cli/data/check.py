"""voxsiam data check: what would ruin a study, found before a GPU hour is spent."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from voxsiam_cli.console import SHORTEST_NAME, Steps, console, print_json, say, say_unused
from voxsiam_cli.options import (
    AsJson,
    GeometryForm,
    Ignored,
    LabelsFile,
    Organs,
    Protocol,
    find_geometry,
    output_option,
)

if TYPE_CHECKING:
    from voxsiam_data.checks.data_set import CheckReport

MAX_ROWS = 60
STYLES = {"refuse": "bold red", "repair": "yellow", "note": "cyan"}


def check(  # noqa: PLR0913
    source: Annotated[Path, typer.Argument(help="Data set in a layout of: voxsiam data sources.")],
    protocol: Protocol = None,
    labels: LabelsFile = None,
    organs: Organs = None,
    geometry: GeometryForm = None,
    ignore: Ignored = None,
    output: Annotated[Path | None, output_option("Folder for the page and checks.json.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look for defects: geometry, intensities, labels, mirrored maps, repeats, patient data.

    The exit code is 2 where a case must be refused, 1 where a scan or label map of the folder is
    not used, 0 otherwise. Examples:

    voxsiam data check Task07

    voxsiam data check label_maps -o checks
    """
    from dataclasses import replace

    from voxsiam_cli.data.sources import LabelOptions
    from voxsiam_dashboards.reports.checks import check_page_folder, write_check_page
    from voxsiam_data.checks.data_set import check_manifest
    from voxsiam_data.sources.detect import find_source
    from voxsiam_data.sources.inventory import unused_files

    if output is not None:
        check_page_folder(output)
    said = LabelOptions(protocol, labels, organs)
    found = find_source(source, *said.chosen(), keep_refused=True)
    manifest = found.manifest.with_geometry(find_geometry(geometry))
    with Steps("check", quiet=as_json) as steps:
        report = check_manifest(manifest, steps, refused=found.refused)
    unused = unused_files(source, found, ignore or ())
    report = replace(report, notes=found.notes, unused=tuple(unused))
    if as_json:
        print_json(report.record())
    else:
        _show(report)
    if output is not None:
        # Its name alone: folders above it may be called after a patient, and pages are passed on.
        words = ["voxsiam", "data", "check", source.name]
        words += [word for name, v in vars(said).items() if v for word in (f"--{name}", str(v))]
        page = write_check_page(report, output, shlex.join([*words, "-o", output.name]))
        if not as_json:
            say(f"every case with its picture: {page}")
    if not report.is_usable:
        raise typer.Exit(2)
    if any(one.is_lost for one in unused):
        raise typer.Exit(1)


def _show(report: "CheckReport") -> None:
    for note in report.notes:
        say(note)
    say_unused(report.unused)
    findings = report.findings
    if findings:
        case = Column("case", overflow="fold", min_width=SHORTEST_NAME)
        table = Table(case, "severity", "check", "what", title=f"Checks of {report.name}")
        for case_id, one in findings[:MAX_ROWS]:
            severity = Text(one.severity, style=STYLES[one.severity])
            table.add_row(Text(case_id), severity, one.check, Text(one.what))
        console.print(table)
    if len(findings) > MAX_ROWS:
        say(f"and {len(findings) - MAX_ROWS} more; all with -o FOLDER or --json")
    for pair in report.pairs:
        say(f"{pair.first} and {pair.second}: {pair.what}")
    counts = ", ".join(f"{count} {severity}" for severity, count in report.counts.items())
    sound = sum(not case.findings for case in report.cases)
    say(f"{len(report.cases)} cases: {counts}; {sound} without a finding")
    if not report.is_usable:
        case_id, first = next(named for named in findings if named[1].severity == "refuse")
        say(f"refused; first {case_id}, fix: {first.fix}", style="bold red")
