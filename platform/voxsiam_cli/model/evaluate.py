"""voxsiam evaluate: score label maps of any tool against references."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from voxsiam.durable_files import write_text_atomically
from voxsiam.errors import UserError, nearest_name
from voxsiam.metrics.scoring_rules import DistanceConfig, MissedDistance
from voxsiam.types import Shape
from voxsiam_cli.console import Steps, print_json, say, say_unused
from voxsiam_cli.model.score_tables import csv_text, json_content, show_scores, without_nan
from voxsiam_cli.options import (
    AsJson,
    GeometryForm,
    Ignored,
    find_geometry,
    output_option,
    parse_grid,
)

if TYPE_CHECKING:
    from voxsiam_data.evaluation.scoring import Comparison, Scored

MISSED_DISTANCES: Mapping[str, MissedDistance] = {"left-out": "left_out", "diagonal": "diagonal"}
HD95: Mapping[str, Literal["pooled", "larger_directed"]] = {
    "pooled": "pooled",
    "larger-directed": "larger_directed",
}
ASSD: Mapping[str, Literal["mean_of_directed", "pooled"]] = {
    "mean-of-directed": "mean_of_directed",
    "pooled": "pooled",
}
Rule = TypeVar("Rule")
_PROTOCOLS = (
    "voxsiam, zenodo, btcv, amos22, flare22, totalsegmentator-v1, totalsegmentator-v2 or word"
)


def evaluate(  # noqa: PLR0913
    predictions: Annotated[
        Path, typer.Option("-p", "--predictions", help="Label map, or folder of label maps.")
    ],
    references: Annotated[
        Path, typer.Option("-r", "--references", help="The same cases, drawn by experts.")
    ],
    protocol: Annotated[
        str | None,
        typer.Option(
            help=f"What the label values mean: {_PROTOCOLS}; else what dataset.json says, or ours."
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A dataset.json that says what the label values mean.")
    ] = None,
    prediction_protocol: Annotated[
        str | None, typer.Option(help="The same for the predictions, where it differs.")
    ] = None,
    organ: Annotated[
        list[str] | None, typer.Option(help="Score this organ only; may be repeated.")
    ] = None,
    grid: Annotated[
        str | None, typer.Option(help="Score on this HxWxD grid too, in its voxels and in mm.")
    ] = None,
    missed_distance: Annotated[
        str, typer.Option(help="Distances of a missed organ: left-out, or diagonal of the grid.")
    ] = "left-out",
    hd95: Annotated[
        str, typer.Option(help=f"Which HD95: {' or '.join(HD95)} (docs/metrics.md).")
    ] = "pooled",
    assd: Annotated[
        str, typer.Option(help=f"Which ASSD: {' or '.join(ASSD)} (docs/metrics.md).")
    ] = "mean-of-directed",
    geometry: GeometryForm = None,
    ignore: Ignored = None,
    output: Annotated[
        Path | None, output_option("CSV, a line for each case and organ.", "--csv")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score predicted label maps against references: DSC, HD95 and ASSD of every organ.

    Distances are in mm on the scan's own grid. Files are paired by case: case.nii.gz,
    case/label.nii.gz or masks named after their organs on either side, .nii as well. A dataset.json
    beside the labels says what their values mean. What is not scored is named; the exit code is 1
    where it looks like a label map. Examples:

    voxsiam evaluate -p predictions -r labelsTs --csv scores.csv

    voxsiam evaluate -p out.nii.gz -r label.nii.gz --grid 128x128x64

    voxsiam evaluate -p totalseg -r amos/labelsTr --protocol amos22 --prediction-protocol totalsegmentator-v2
    """  # noqa: E501
    from voxsiam_api.evaluation import evaluate as evaluate_labels

    _check_output(output)
    with Steps("cases", quiet=as_json) as steps:
        found = evaluate_labels(
            predictions,
            references,
            protocol=protocol,
            labels=labels,
            prediction_protocol=prediction_protocol,
            organs=organ or (),
            grid_dhw=_grid(grid),
            missed_distance=_chosen(missed_distance, MISSED_DISTANCES, "--missed-distance"),
            distances=DistanceConfig(
                hd95=_chosen(hd95, HD95, "--hd95"), assd=_chosen(assd, ASSD, "--assd")
            ),
            geometry=find_geometry(geometry),
            ignored=ignore or (),
            on_case=steps,
        )
    comparison, scored, unused = found.comparison, found.scored, found.unused
    if output is not None:
        write_text_atomically(output, csv_text(scored.scores))
    if as_json:
        listed = [
            asdict(one) | {"path": str(root / one.path)}
            for root, files in unused.items()
            for one in files
        ]
        print_json(without_nan(json_content(comparison, scored) | {"unused": listed}))
    else:
        show_scores(comparison, scored.scores)
        _say(comparison, scored, output)
        for root, files in unused.items():
            say_unused(files, root)
    if any(one.is_lost for files in unused.values() for one in files):
        raise typer.Exit(1)


def _say(comparison: "Comparison", scored: "Scored", output: Path | None) -> None:
    names = comparison.prediction.name, comparison.reference.name
    say(f"values read as: {names[0]} (predictions), {names[1]} (references)")
    for case_id, notes in scored.notes.items():
        for note in notes:
            say(f"note: {case_id}: {note}", "yellow")
    count = len({score.case_id for score in scored.scores})
    cases = "1 case" if count == 1 else f"{count} cases"
    say(cases + (f", every organ of each in {output}" if output else ""))


def _chosen(text: str, forms: Mapping[str, Rule], option: str) -> Rule:
    """Return the rule that an option names."""
    if text not in forms:
        raise UserError(
            f"'{text}' is none of {', '.join(forms)}",
            where=option,
            fix=nearest_name(text, tuple(forms)),
        )
    return forms[text]


def _grid(text: str | None) -> Shape | None:
    shape = None if text is None else parse_grid(text)
    if shape is not None and not all(2 <= n <= 1024 for n in shape):
        raise UserError(
            f"'{text}' is not a usable grid",
            where="--grid",
            fix="give HxWxD with 2 to 1024 voxels along each axis",
        )
    return shape


def _check_output(output: Path | None) -> None:
    """Refuse before the work what would fail after it."""
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise UserError(
            "The scores cannot be written there.",
            where=f"--output {output}",
            fix="name a file, such as scores.csv, in a folder that exists",
        )
