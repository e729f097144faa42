"""voxsiam predict: label maps for CTs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from voxsiam.durable_files import write_json
from voxsiam.errors import UserError, is_stop
from voxsiam.types import organ_words
from voxsiam_cli.console import SHORTEST_NAME, Steps, console, say, say_unused, show_error
from voxsiam_cli.options import (
    DEFAULT_WORKSPACE,
    GeometryForm,
    Ignored,
    Workspace,
    find_geometry,
    output_option,
)

if TYPE_CHECKING:
    from voxsiam.inference.model_folder import LoadedModel
    from voxsiam.inference.predict_report import CaseReport, FailedCase
    from voxsiam.inference.scan_files import ResultFiles, ScanSource
    from voxsiam.volumes.nifti_geometry import Form


_MOST_COLUMNS = 12
"""Of organs in the table of results."""


def predict(  # noqa: PLR0913
    source: Annotated[
        Path, typer.Option("-i", "--input", help="CT.nii.gz, DICOM series, or a folder of cases.")
    ],
    output: Annotated[Path, output_option("A .nii.gz file, or a folder.")],
    model: Annotated[
        str, typer.Option(help="Model folder, MLflow run id, or row: 'table3/feature (3)/0'.")
    ],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write those of all classes too, as 4D NIfTI.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="JSON to write: versions, model, files, times.")
    ] = None,
    geometry: GeometryForm = None,
    ignore: Ignored = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Segment CTs: the model's organs on the voxels of each input. Research use only.

    Scans of a folder may lie at any depth; the results keep their paths. What is not used is named,
    and where that looks like a scan the exit code is 1.

    Examples:
    voxsiam predict -i ct.nii.gz -o organs.nii.gz --model "table3/feature (3)"

    voxsiam predict -i dicom-series -o results --model MODEL --report results/run.json
    """
    from voxsiam.inference.device import choose_device
    from voxsiam.inference.model_folder import load_model
    from voxsiam.inference.predict_report import run_report
    from voxsiam.inference.scan_files import (
        ENDINGS,
        describe_labels,
        find_inputs,
        make_folder,
        result_files,
    )
    from voxsiam_cli.model.model_source import find_model

    inputs = find_inputs(source, output, ignore or ())
    scans = inputs.scans
    results = result_files(scans, source, output)
    _check_report(report, scans, results)
    loaded = load_model(find_model(model, workspace), choose_device(device))
    written = [path for r in results for path in (r.label, r.probabilities)[: 1 + probabilities]]
    for folder in sorted({path.parent for path in [*written, *([report] if report else [])]}):
        make_folder(folder)
    if not Path(model).is_dir():
        say(f"workspace: {workspace.expanduser().resolve()}")
    _say_model(model, loaded)
    form = find_geometry(geometry)
    done, failed = _predict_all(loaded, scans, results, probabilities=probabilities, geometry=form)
    if done and not output.name.endswith(ENDINGS):
        describe_labels(output, loaded.description.organs)
    if report is not None:
        write_json(report, run_report(loaded, done, failed, inputs.unused))
        say(f"report: {report}")
    _show(done)
    say_unused(inputs.unused)
    if failed:
        say(f"{len(failed)} of {len(scans)} inputs failed: {', '.join(f.name for f in failed)}")
    if failed or any(file.is_lost for file in inputs.unused):
        raise typer.Exit(1)


def _predict_all(
    loaded: "LoadedModel",
    scans: "Sequence[ScanSource]",
    results: "Sequence[ResultFiles]",
    *,
    probabilities: bool,
    geometry: "Form | None",
) -> "tuple[list[CaseReport], list[FailedCase]]":
    from voxsiam.inference.predict import predict_case
    from voxsiam.inference.predict_report import FailedCase

    done: list[CaseReport] = []
    failed: list[FailedCase] = []
    with Steps("predict") as steps:
        for scan, files in zip(scans, results, strict=True):
            try:
                case = predict_case(
                    loaded, scan, files, probabilities=probabilities, geometry=geometry
                )
                done.append(case)
                for warning in case.warnings:
                    say(f"warning: {case.name}: {warning}", "yellow")
            except Exception as error:
                if len(scans) == 1 or is_stop(error):
                    raise
                failed.append(
                    FailedCase(name=scan.name, input=scan.path.name, error=_told(error, scan))
                )
            if len(scans) > 1:
                steps(len(done) + len(failed), len(scans))
    return done, failed


def _told(error: Exception, scan: "ScanSource") -> str:
    """Show an error, and return what a report may say of it."""
    if isinstance(error, UserError):
        show_error(error)
        return error.what
    kind, fix = type(error).__name__, "predict it alone, with --debug before the command"
    show_error(UserError(f"{kind}: {error}", where=str(scan.path), fix=fix))
    return kind  # what it says may name a folder, and a folder a patient


def _check_report(
    report: Path | None, scans: "Sequence[ScanSource]", results: "Sequence[ResultFiles]"
) -> None:
    taken = [scan.path for scan in scans] + [result.label for result in results]
    if report is not None and (
        report.is_dir() or report.resolve() in {path.resolve() for path in taken}
    ):
        raise UserError(
            "The report would replace an input or a result.",
            where=f"--report {report}",
            fix="give the name of a JSON file",
        )


def _say_model(asked: str, loaded: "LoadedModel") -> None:
    trained = loaded.description.trained
    epochs = "1 epoch" if trained.epochs == 1 else f"{trained.epochs} epochs"
    say(
        f"model: {asked} (run {trained.run_id}, seed {trained.seed}, {epochs} on "
        f"{trained.data_name}; weights {loaded.weights_sha256[:12]})"
    )
    if trained.data_kind != "real":
        say(
            f"warning: this model was trained on {trained.data_kind} data, not on patients",
            "yellow",
        )


def _show(done: "list[CaseReport]") -> None:
    if not done:
        return
    # Long names go on in the next line: cut, many would look alike.
    organs = tuple(done[0].organ_ml)
    many = len(organs) > _MOST_COLUMNS
    name = Column("case" if many else "mL", overflow="fold", min_width=SHORTEST_NAME)
    titles = ("organs found", "mL") if many else map(organ_words, organs)
    table = Table(name, *titles, "seconds")
    for case in done:
        volumes = [f"{case.organ_ml[organ]:.1f}" for organ in organs]
        if many:
            found = sum(ml > 0 for ml in case.organ_ml.values())
            volumes = [f"{found} of {len(organs)}", f"{sum(case.organ_ml.values()):.1f}"]
        # As text: square brackets in a name are no markup.
        table.add_row(Text(case.name), *volumes, f"{sum(case.seconds.values()):.1f}")
    console.print(table)
    if many:
        say("the volume of each organ: --report FILE")
    folder = Path(done[0].output).parent
    say(
        f"label maps: {done[0].output}" if len(done) == 1 else f"{len(done)} label maps in {folder}"
    )
