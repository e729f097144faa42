"""voxsiam data prepare: from the scans of a data set to volumes on the training grid."""

from pathlib import Path
from typing import Annotated

import typer

from voxsiam.types import PAPER_ORGANS
from voxsiam_cli.console import say, say_unused
from voxsiam_cli.options import (
    DEFAULT_WORKSPACE,
    GeometryForm,
    Ignored,
    LabelsFile,
    Organs,
    Patience,
    Protocol,
    Workspace,
    find_geometry,
    output_option,
    parse_grid,
)


def prepare(  # noqa: PLR0913
    output: Annotated[Path, output_option("Prepared set to write.")],
    source: Annotated[
        Path | None, typer.Argument(help="Data set in a layout of: voxsiam data sources.")
    ] = None,
    grid: Annotated[
        str, typer.Option(help="HxWxD that every volume is resampled to.")
    ] = "128x128x64",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Override, e.g. interpolation=cubic.")
    ] = None,
    protocol: Protocol = None,
    labels: LabelsFile = None,
    organs: Organs = None,
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

    voxsiam data prepare AMOS22 -o prepared-amos --organs all

    voxsiam data prepare downloads --paper -o prepared-paper
    """  # fmt: skip
    from voxsiam_cli.data.prepared import choose_preparation, prepare_source
    from voxsiam_cli.data.sources import (
        LabelOptions,
        SourceOptions,
        choose_source,
        record_source,
        unused_of,
    )
    from voxsiam_data.prepared.case_task import CaseRefused
    from voxsiam_data.prepared.prepare import BadCases

    config = choose_preparation(parse_grid(grid), settings or ())
    said = LabelOptions(protocol, labels, organs)
    options = SourceOptions(
        source, said, paper, pancreas_ct, btcv, zenodo, allow_missing, leave_out_refused
    )
    found = choose_source(options, boxes=config.crop == "box")
    unused = unused_of(options, found, ignore or ())
    for note in found.notes:
        say(f"note: {note}")
    say_unused(unused)
    known = tuple(CaseRefused.of(one.case_id, one.error) for one in found.refused)
    bad_cases = BadCases(checked=checks, leave_out=leave_out_refused, known=known)
    manifest = found.manifest.with_geometry(find_geometry(geometry))
    prepared = prepare_source(manifest, output, config, workspace, bad_cases)
    record_source(prepared, found, is_paper=paper)
    for case in prepared.cases:
        for note in case.notes:
            say(f"note: {case.case_id}: {note}")
    d, h, w = config.grid_dhw
    say(
        f"{len(prepared.cases)} cases on {h}x{w}x{d} in {output} "
        f"(fingerprint {prepared.fingerprint})"
    )
    say(f"{len(prepared.organs)} organs: {', '.join(prepared.organs)}")
    command = "study run table3" if prepared.organs == PAPER_ORGANS else "train voxel_simsiam"
    say(f"next: voxsiam {command} --preset tiny --data {output}")
    if any(one.is_lost for one in unused):
        raise typer.Exit(1)
