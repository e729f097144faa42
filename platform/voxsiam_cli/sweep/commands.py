"""voxsiam sweep: searches over the settings that the paper fixes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table as Grid

from voxsiam.errors import UserError
from voxsiam.orchestration.sweeps.ledger import choose_sweep, find_sweeps
from voxsiam.orchestration.sweeps.plan import Budget, Objective, Sampler
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
    Settings,
    SplitFile,
    Workers,
    Workspace,
    find_named,
    find_preset,
    read_choices,
)
from voxsiam_cli.workspace import open_workspace
from voxsiam_experiments.over import EXAMPLE, own_sweep
from voxsiam_experiments.recipes import RECIPES
from voxsiam_experiments.study_file import ENDING, load_sweep
from voxsiam_experiments.sweep_plan import check_budget
from voxsiam_experiments.sweeps import SWEEPS, Search, Sweep

app = typer.Typer(
    help="Searches: lambda, layers, voxels, heads, or all of them.", no_args_is_help=True
)

SweepName = Annotated[
    str, typer.Argument(metavar="SWEEP", help="Its id, or its name if there is one of that.")
]
DEFAULT_TRIALS = 20


@app.command("list")
def list_sweeps(as_json: AsJson = False) -> None:
    """List the sweeps and what they vary."""
    if as_json:
        print_json({name: [s.name for s in sweep.settings] for name, sweep in SWEEPS.items()})
        return
    grid = Grid("name", "what", "settings")
    for name, sweep in SWEEPS.items():
        settings = (
            f"{s.name} ({', '.join(map(str, s.choices)) or f'{s.low} to {s.high}'})"
            for s in sweep.settings
        )
        grid.add_row(name, sweep.title, ", ".join(settings))
    console.print(grid)


@app.command()
def run(  # noqa: PLR0913
    name: Annotated[
        str | None,
        typer.Argument(help="For example lambda (voxsiam sweep list), or a file; else --over."),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(help="Vary this field: FIELD=LOW..HIGH[:log] or FIELD=VALUE,VALUE,..."),
    ] = None,
    base: Annotated[
        str, typer.Option(help="With --over: the recipe that is varied, as voxsiam train names it.")
    ] = "voxel_simsiam",
    preset: PresetName = "mini",
    data: Data = None,
    trials: Annotated[int | None, typer.Option(min=1, help="End after so many trials.")] = None,
    hours: Annotated[float | None, typer.Option(help="End after so many hours of search.")] = None,
    gpu_hours: Annotated[float | None, typer.Option(help="Or after so many GPU-hours.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each trial.")] = 1,
    objective: Annotated[
        list[str] | None,
        typer.Option(help="dsc, dsc/ORGAN, seconds, or two; the first chooses the winner."),
    ] = None,
    sampler: Annotated[str, typer.Option(help="tpe, gp, qmc, random or grid.")] = "tpe",
    stop_early: Annotated[
        bool | None, typer.Option(help="Stop trials that fall behind (ASHA); with one score alone.")
    ] = None,
    workers: Workers = None,
    gpu_share: GpuShare = 1.0,
    settings: Settings = None,
    split: SplitFile = None,
    dry_run: DryRun = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    _patience: Patience = None,
    _owner: Owner = None,
) -> None:
    """Search, then train the winner on all training cases and test it once.

    Trials are scored on inner validation cases. Where no budget is given it is 20 trials. The
    same command again, or one with a larger budget, goes on. Examples:

    voxsiam sweep run lambda --preset tiny --trials 6

    voxsiam sweep run all --preset paper --data prepared --gpu-hours 200 --seeds 2

    voxsiam sweep run layers --objective dsc --objective seconds --dry-run

    voxsiam sweep run --over optimiser.learning_rate=1e-4..1e-2:log --over network.width=8,16,32
    """
    sweep, size = _chosen(name, over or (), base), find_preset(preset)
    choices = read_choices(None, workers, gpu_share, settings, split)
    search = _search(objective or ["dsc"], seeds, sampler, stop_early)
    limits = {"trials": trials, "hours": hours, "gpu_hours": gpu_hours}
    budget = _budget({name: value for name, value in limits.items() if value is not None})
    check_budget(sweep, search, budget.trials)
    if dry_run:
        from voxsiam_cli.forecast import forecast_sweep, show_forecast

        show_forecast(forecast_sweep(sweep, size, data, choices, search, budget))
        if budget.trials is None:
            say("one trial is counted; the search goes on until its hours are used up.", "yellow")
        return
    from voxsiam_cli.sweep.session import start_sweep

    asked = (choices, search, budget)
    start_sweep(sweep, size, data, asked, open_workspace(workspace, "train"))


@app.command()
def resume(
    sweep: SweepName, workspace: Workspace = DEFAULT_WORKSPACE, _patience: Patience = None
) -> None:
    """Go on with a sweep; no finished trial is repeated. Example: voxsiam sweep resume lambda."""
    from voxsiam_cli.sweep.session import resume_sweep

    folder = open_workspace(workspace, "change")
    resume_sweep(choose_sweep(folder, sweep), folder)


@app.command()
def status(
    sweep: Annotated[str | None, typer.Argument(help="A name, or an id; else all sweeps.")] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Show every trial of the workspace's sweeps, running or not."""
    from voxsiam_cli.sweep.live import LiveSweep

    folder = open_workspace(workspace, "look", as_json=as_json)
    ledgers = find_sweeps(folder, sweep)
    if sweep is not None and not ledgers:
        ledgers = [choose_sweep(folder, sweep)]
    if as_json:
        found = {
            each.plan.sweep_id: [trial.model_dump(mode="json") for trial in each.trials]
            for each in ledgers
        }
        print_json(found)
        return
    if not ledgers:
        say("it holds no sweep yet; start one: voxsiam sweep run lambda --preset mini --trials 8")
    for ledger in ledgers:
        table = LiveSweep(ledger).table()
        table.title = ledger.plan.sweep_id
        console.print(table)


@app.command()
def report(
    sweep: SweepName, output: ReportFolder = None, workspace: Workspace = DEFAULT_WORKSPACE
) -> None:
    """Write reports/ID from MLflow and print the trials and the winner's table."""
    from voxsiam_cli.sweep.session import report_sweep

    folder = open_workspace(workspace, "look" if output else "change")
    report_sweep(choose_sweep(folder, sweep), folder, output)


def _chosen(name: str | None, over: Sequence[str], base: str) -> Sweep:
    """Find a sweep by its name, in a file, or put one together of fields."""
    if (name is None) == (not over):
        raise UserError(
            "name a sweep, or say what to vary" if name is None else "one of the two is meant",
            where=f"voxsiam sweep run {name or ''}".strip(),
            fix=f"voxsiam sweep run lambda; {EXAMPLE}",
        )
    if over:
        return own_sweep(over, find_named("recipe", base, RECIPES, "--base")())
    assert name is not None  # noqa: S101  # for the type checker
    if name.endswith(ENDING):
        return load_sweep(Path(name))
    return find_named("sweep", name, SWEEPS, "voxsiam sweep")


def _search(objectives: list[str], seeds: int, sampler: str, stop_early: bool | None) -> Search:
    named = tuple(dict.fromkeys(map(_objective, objectives)))
    can_stop = len(named) == 1 and named != ("seconds",)
    if len(named) > 2 or (stop_early and not can_stop):
        raise UserError(
            "ASHA ranks trials by one score" if stop_early else f"{len(named)} objectives are many",
            where="--stop-early" if stop_early else "--objective",
            fix="leave --stop-early out, or search for one score" if stop_early else "give two",
        )
    samplers = {each: each for each in get_args(Sampler)}
    return Search(
        objectives=named,
        seeds=seeds,
        sampler=find_named("sampler", sampler, samplers, "--sampler"),
        stop_early=can_stop if stop_early is None else stop_early,
    )


def _objective(text: str) -> Objective:
    try:
        return TypeAdapter(Objective).validate_python(text)
    except ValidationError:
        raise UserError(
            f"there is no objective '{text}'",
            where="--objective",
            fix="give dsc, dsc/ORGAN (dsc/liver) or seconds",
        ) from None


def _budget(limits: dict[str, float]) -> Budget:
    try:
        return Budget.model_validate(limits or {"trials": DEFAULT_TRIALS})
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"a budget of {first['input']} is none",
            where=f"--{str(first['loc'][0]).replace('_', '-')}",
            fix="give a number above 0",
        ) from None
