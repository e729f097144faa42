"""voxsiam study: the paper's tables, one command each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as Grid

from voxsiam.errors import UserError
from voxsiam_cli.console import console, print_json
from voxsiam_cli.options import (
    DEFAULT_WORKSPACE,
    AsJson,
    Data,
    DryRun,
    GpuShare,
    PresetName,
    Seeds,
    Settings,
    SplitFile,
    Workers,
    Workspace,
    find_preset,
    find_table,
    read_choices,
)
from voxsiam_cli.study import compare, evidence
from voxsiam_experiments.studies import TABLES

if TYPE_CHECKING:
    from voxsiam.orchestration.studies.ledger import Ledger
    from voxsiam.orchestration.workspace import Workspace as Folder


app = typer.Typer(
    help="The paper's tables: run, watch, resume, report, verify, rerun.", no_args_is_help=True
)
app.command()(evidence.verify)
app.command()(compare.compare)
app.command()(evidence.rerun)

Name = Annotated[str, typer.Argument(help="For example table3; see: voxsiam study list.")]
StudyId = Annotated[str | None, typer.Option(help="Which one, if there are several; see status.")]


@app.command("list")
def list_studies(as_json: AsJson = False) -> None:
    """List the studies and their rows."""
    if as_json:
        print_json({name: [row.label for row in t.rows] for name, t in TABLES.items()})
        return
    grid = Grid("name", "table", "what", "rows")
    for name, table in TABLES.items():
        grid.add_row(name, table.number, table.title, ", ".join(row.label for row in table.rows))
    console.print(grid)


@app.command()
def run(  # noqa: PLR0913
    name: Name,
    preset: PresetName = "mini",
    data: Data = None,
    seeds: Seeds = None,
    workers: Workers = None,
    gpu_share: GpuShare = 1.0,
    settings: Settings = None,
    split: SplitFile = None,
    dry_run: DryRun = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Train every row and seed, then write the report. The same command again goes on.

    Examples:
    voxsiam study run table3 --preset tiny

    voxsiam study run table3 --preset paper --data prepared --workers 4

    voxsiam study run fig7 --preset paper --data prepared --dry-run
    """
    table, size = find_table(name), find_preset(preset)
    from voxsiam.orchestration.workspace import Workspace as Folder
    from voxsiam_cli.data.prepared import fetch_data
    from voxsiam_cli.study.session import start_study

    choices = read_choices(seeds, workers, gpu_share, settings, split)
    if dry_run:
        from voxsiam_cli.forecast import forecast_study, show_forecast

        show_forecast(forecast_study(table, size, data, choices))
        return
    folder = Folder(workspace)
    start_study(table, size, fetch_data(data, folder), choices, folder)


@app.command()
def resume(
    name: Name,
    study_id: StudyId = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Go on with the study that was touched last; no finished trial is repeated."""
    from voxsiam.orchestration.workspace import Workspace as Folder
    from voxsiam_cli.study.session import resume_study

    find_table(name)
    folder = Folder(workspace)
    resume_study(_find_ledger(folder, name, study_id), folder)


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="All studies where none is named.")] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Show the state of every trial of the workspace's studies, running or not."""
    from voxsiam.orchestration.studies.ledger import find_ledgers
    from voxsiam.orchestration.workspace import Workspace as Folder

    if name is not None:
        find_table(name)
    ledgers = find_ledgers(Folder(workspace, may_write=False), name)
    found = {ledger.plan.study_id: _trial_states(ledger) for ledger in ledgers}
    if as_json:
        print_json(found)
        return
    if not found:
        raise _no_study(name or "table3", workspace)
    for study_id, trials in found.items():
        grid = Grid("trial", "state", "epochs", title=study_id)
        for trial in trials:
            grid.add_row(
                trial["trial"], trial["state"], f"{trial['epochs_done']}/{trial['epochs']}"
            )
        console.print(grid)


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(help="For example table3.")] = None,
    study_id: StudyId = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every study, and a page over them.")
    ] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Write reports/NAME from MLflow: HTML, CSV, Markdown, LaTeX and JSON."""
    from voxsiam.orchestration.workspace import Workspace as Folder
    from voxsiam_cli.study.session import report_all, report_study

    folder = Folder(workspace)
    if every and name is None and study_id is None:
        report_all(folder)
        return
    if every or name is None:
        raise UserError(
            "name one study, or none with --all",
            where="voxsiam study report",
            fix="voxsiam study report table3, or voxsiam study report --all",
        )
    table = find_table(name)
    report_study(table, folder, _find_ledger(folder, name, study_id).plan.study_id)


def _find_ledger(folder: "Folder", name: str, study_id: str | None) -> "Ledger":
    from voxsiam.orchestration.studies.ledger import find_ledgers

    ledgers = find_ledgers(folder, name)
    chosen = [ledger for ledger in ledgers if study_id in (None, ledger.plan.study_id)]
    if not chosen:
        raise _no_study(name, folder.root)
    return chosen[0]


def _trial_states(ledger: "Ledger") -> list[dict[str, Any]]:
    """Read each trial's state from the ledger and its epochs from its newest checkpoint."""
    from voxsiam.training.checkpoint import CheckpointFolder

    rows: list[dict[str, Any]] = []
    for trial in ledger.plan.trials:
        run, state = trial.run, ledger.state(trial)
        found = CheckpointFolder(run.checkpoints).newest(run.run_id)
        rows.append(
            {
                "trial": trial.name,
                "state": state,
                "epochs_done": found[1].epochs_done if found else 0,
                "epochs": run.recipe.epochs,
                "run": run.run_id,
            }
        )
    return rows


def _no_study(name: str, workspace: Path) -> UserError:
    return UserError(
        f"this workspace holds no such study of {name}",
        where=str(workspace),
        fix=f"start one: voxsiam study run {name} --preset mini",
    )
