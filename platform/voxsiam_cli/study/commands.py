"""voxsiam study, train and demo: tables, one command each, and the paper's single systems."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as Grid

from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger, choose_ledger, find_ledgers
from voxsiam_cli.console import console, print_json, say
from voxsiam_cli.options import (
    DEFAULT_WORKSPACE,
    AsJson,
    Data,
    DryRun,
    GpuShare,
    Owner,
    Patience,
    PresetName,
    ReportFolder,
    Seeds,
    Settings,
    SplitFile,
    Study,
    Workers,
    Workspace,
    find_named,
    find_preset,
    find_table,
    read_choices,
)
from voxsiam_cli.study import compare, evidence
from voxsiam_cli.workspace import open_workspace
from voxsiam_experiments.presets import Choices
from voxsiam_experiments.studies import TABLES, TRAININGS

DEMO_MINUTES = {"tiny": "about 2 minutes", "mini": "about 10 minutes"}
"""On 2 cores."""

app = typer.Typer(
    help="Tables, the paper's and one's own: run, watch, resume, report, verify, rerun.",
    no_args_is_help=True,
)
app.command()(evidence.verify)
app.command()(compare.compare)
app.command()(evidence.rerun)


@app.command("list")
def list_studies(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE.py", help="Files of one's own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the studies and their rows, or those that files declare.

    Example: voxsiam study list my_study.py
    """
    tables = [find_table(name) for name in files] if files else TABLES.values()
    if as_json:
        print_json({table.name: [row.label for row in table.rows] for table in tables})
        return
    grid = Grid("name", "table", "what", "rows")
    for table in tables:
        labels = ", ".join(row.label for row in table.rows)
        grid.add_row(table.name, table.number, table.title, labels)
    console.print(grid)


@app.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.py", help="To write; it must not exist.")],
) -> None:
    """Write a file that declares a study of one's own, with comments; it runs as it is.

    Example: voxsiam study new my_study.py
    """
    from voxsiam_experiments.study_file import write_example

    write_example(file)
    say(f"written: {file}")
    say(f"next: voxsiam study run {file} --preset tiny")


@app.command()
def run(  # noqa: PLR0913
    name: Annotated[
        str, typer.Argument(help="For example table3 (voxsiam study list), or a file: my_study.py.")
    ],
    preset: PresetName = "mini",
    data: Data = None,
    seeds: Seeds = None,
    workers: Workers = None,
    gpu_share: GpuShare = 1.0,
    settings: Settings = None,
    split: SplitFile = None,
    dry_run: DryRun = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    _patience: Patience = None,
    _owner: Owner = None,
) -> None:
    """Train every row and seed, then write the report. The same command again goes on.

    Examples:
    voxsiam study run table3 --preset tiny

    voxsiam study run table3 --preset paper --data prepared --workers 4

    voxsiam study run fig7 --preset paper --data prepared --dry-run

    voxsiam study run my_study.py --preset tiny   (a file of one's own: voxsiam study new)
    """
    table, size = find_table(name), find_preset(preset)
    choices = read_choices(seeds, workers, gpu_share, settings, split)
    if dry_run:
        from voxsiam_cli.forecast import forecast_study, show_forecast

        show_forecast(forecast_study(table, size, data, choices))
        return
    from voxsiam_cli.study.session import start_study

    start_study(table, size, data, choices, open_workspace(workspace, "train"))


@app.command()
def resume(
    study: Study, workspace: Workspace = DEFAULT_WORKSPACE, _patience: Patience = None
) -> None:
    """Go on with a study; no finished trial is repeated. Example: voxsiam study resume table3."""
    from voxsiam_cli.study.session import resume_study

    folder = open_workspace(workspace, "change")
    resume_study(choose_ledger(folder, study), folder)


@app.command()
def status(
    study: Annotated[
        str | None, typer.Argument(help="A table's name, or an id; else all studies.")
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Show the state of every trial of the workspace's studies, running or not."""
    folder = open_workspace(workspace, "look", as_json=as_json)
    ledgers = find_ledgers(folder, study)
    if study is not None and not ledgers:
        ledgers = [choose_ledger(folder, study)]
    found = {ledger.plan.study_id: _trial_states(ledger) for ledger in ledgers}
    if as_json:
        print_json(found)
        return
    if not found:
        say("it holds no study yet; start one: voxsiam study run table3 --preset mini")
    for study_id, trials in found.items():
        grid = Grid("trial", "state", "epochs", title=study_id)
        for one in trials:
            grid.add_row(one["trial"], one["state"], f"{one['epochs_done']}/{one['epochs']}")
        console.print(grid)


@app.command()
def report(
    study: Annotated[
        str | None, typer.Argument(help="Its id, or its table's name if there is one of it.")
    ] = None,
    output: ReportFolder = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every study, and a page over them.")
    ] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> None:
    """Write reports/ID from MLflow: HTML, CSV, Markdown, LaTeX and JSON.

    reports/NAME leads to the newest finished study of that table. Examples:

    voxsiam study report table3

    voxsiam study report table3 -o elsewhere   (the workspace may be one that can only be read)
    """
    from voxsiam_cli.study.report import report_all, report_study

    if every == (study is not None):
        raise UserError(
            "name one study, or none with --all",
            where="voxsiam study report",
            fix="voxsiam study report table3, or voxsiam study report --all",
        )
    folder = open_workspace(workspace, "look" if output else "change")
    if study is None:
        report_all(folder, output)
    else:
        report_study(choose_ledger(folder, study), folder, output)


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
    from voxsiam_cli.study.session import start_study

    table = find_named("recipe", recipe, TRAININGS, "voxsiam train")
    choices = read_choices(seeds, workers, gpu_share, settings, split)
    size = find_preset(preset)
    start_study(table, size, data, choices, open_workspace(workspace, "train"))


def demo(
    preset: PresetName = "mini",
    workspace: Workspace = DEFAULT_WORKSPACE,
    _patience: Patience = None,
) -> None:
    """Make phantoms, prepare them, run Table III on them, report.

    Examples:
    voxsiam demo

    voxsiam demo --preset tiny
    """
    from voxsiam_cli.study.session import start_study

    size, table = find_preset(preset), TABLES["table3"]
    folder = open_workspace(workspace, "train")
    if preset in DEMO_MINUTES:
        rows = f"{len(table.rows)} rows x {size.seeds} seeds"
        say(f"Table III on {size.cases} phantoms: {rows}; {DEMO_MINUTES[preset]} on 2 cores.")
    start_study(table, size, None, Choices(), folder)


def _trial_states(ledger: Ledger) -> list[dict[str, Any]]:
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
