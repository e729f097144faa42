"""From a sweep, a preset and a prepared set to the search; from its winner to the last table."""

from math import prod

from voxsiam.errors import UserError, nearest_name
from voxsiam.fingerprint import fingerprint
from voxsiam.orchestration.runs.plan import PlannedRun, split_fingerprint
from voxsiam.orchestration.studies.ledger import StudyPlan
from voxsiam.orchestration.studies.table import Printed, Row, Table
from voxsiam.orchestration.sweeps.plan import SweepPlan, SweepTrial
from voxsiam.orchestration.sweeps.space import SearchSpace
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import METHOD_VERSION, Recipe
from voxsiam.types import PAPER_ORGANS, Shape, Split
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.splits.absent_organs import absent_organs
from voxsiam_data.splits.holdout import with_validation
from voxsiam_data.splits.leaks import check_split
from voxsiam_experiments.idle_fields import idle
from voxsiam_experiments.plan import (
    SPLIT_SEED,
    check_gpu_share,
    patients_of,
    require_cases,
    run_data,
    run_plan,
    sized_recipes,
    split_of,
    taught_organs,
)
from voxsiam_experiments.presets import PAPER_GRID_DHW, Choices, Preset
from voxsiam_experiments.settled_numerics import settle_numerics
from voxsiam_experiments.six_methods import ROWS
from voxsiam_experiments.sweeps import Search, Sweep

VALIDATION_FRACTION = 1 / 6
"""Of the training cases, where the preset trains on all: a search must be scored on something."""

AS_PRINTED, BASE = "as printed", "base"
"""Labels of the recipe that a sweep varies: of the paper, and any other."""


def check_search(sweep: Sweep, preset: Preset, choices: Choices) -> None:
    """Refuse overrides that do not fit before anything is made or started."""
    check_gpu_share(preset, choices)
    varied = {setting.path for setting in sweep.settings}
    for override in choices.overrides:
        path = override.partition("=")[0].strip()
        if path in varied:
            raise UserError(
                f"'{path}' is what this sweep varies",
                where=f"--set {override}",
                fix="leave it out, or choose another sweep",
            )
    space = search_space(sweep, preset, preset.grid_dhw, choices)
    for setting in space.settings:
        if why := idle(space.base, setting.path):
            raise UserError(
                f"to vary '{setting.path}' makes no difference: {why}",
                where=f"--over {setting.path}",
                fix="leave it out, or set the other field otherwise with --set",
            )
    space.check()


def check_budget(sweep: Sweep, search: Search, trials: int | None) -> None:
    """Refuse a grid of more points than trials."""
    if search.sampler != "grid":
        return
    points = prod(len(setting.listed()) for setting in sweep.settings)
    if trials is not None and points > trials:
        raise UserError(
            f"the grid has {points} points, more than {trials} trials",
            where="--sampler grid",
            fix=f"give --trials {points}, or fewer values",
        )


def search_space(
    sweep: Sweep,
    preset: Preset,
    grid_dhw: Shape,
    choices: Choices,
    organs: tuple[str, ...] = PAPER_ORGANS,
) -> SearchSpace:
    """Bring a sweep's recipe and its ranges to size."""
    alone = Table(name=sweep.name, title="", rows=(Row(label=AS_PRINTED, recipe=sweep.recipe),))
    (base,) = sized_recipes(alone, preset, grid_dhw, choices, organs)
    share = prod(grid_dhw) / prod(PAPER_GRID_DHW) if preset.scales_budgets else 1.0
    settings = tuple(setting.scaled(share) for setting in sweep.settings)
    return SearchSpace(base=base, settings=settings)


def plan_sweep(
    sweep: Sweep,
    preset: Preset,
    prepared: PreparedSet,
    choices: Choices,
    search: Search,
    workspace: Workspace,
) -> SweepPlan:
    """Write out a search; precision and layout are measured here where left open."""
    workers = choices.workers or preset.workers
    (whole, unchecked), grid = _whole_split(preset, prepared, choices), prepared.config.grid_dhw
    # What a search cannot see it cannot fit.
    split = whole.model_copy(update={"test": ()})
    require_cases([split], workers)
    space = search_space(sweep, preset, grid, choices, prepared.organs)
    _require_scored(search, prepared, split)
    request = {
        "space": space.model_dump(mode="json"),
        "data": prepared.fingerprint,
        "split": split_fingerprint(whole),
        "search": vars(search),
        "workers": workers,
        "method_version": METHOD_VERSION,
    }
    (base,) = settle_numerics([space.base], grid, workers, workspace)
    return SweepPlan(
        sweep=sweep.name,
        title=sweep.title,
        is_printed=not sweep.file,
        sweep_id=f"sweep-{sweep.name}-{preset.name}-{fingerprint(request)[:8]}",
        preset=preset.name,
        prepared=prepared.root,
        data=run_data(prepared),
        split=split,
        held_out=whole.test,
        final_seeds=preset.seeds,
        grid_dhw=grid,
        workers=workers,
        gpu_share=choices.gpu_share,
        space=space.model_copy(update={"base": base}),
        taught=taught_organs(split, prepared),
        notes=(*absent_organs(whole, prepared), *unchecked),
        method_version=METHOD_VERSION,
        **vars(search),
    )


def _require_scored(search: Search, prepared: PreparedSet, split: Split) -> None:
    """Refuse an organ that no inner validation case shows: it would have no score."""
    for objective in search.objectives:
        organ = objective.partition("/")[2]
        if not organ:
            continue
        cases = [prepared.case(case_id) for case_id in split.validation]
        seen = tuple(o for o in prepared.organs if any(c.organ_voxels.get(o, 0) for c in cases))
        if organ not in seen:
            raise UserError(
                f"no inner validation case shows the organ '{organ}'",
                where=f"--objective {objective}",
                fix=nearest_name(organ, seen),
            )


def plan_final(
    plan: SweepPlan, winner: SweepTrial, prepared: PreparedSet, workspace: Workspace
) -> StudyPlan:
    """Write out the last step of a sweep: the winner and the printed settings, tested once."""
    split = Split(train=(*plan.split.train, *plan.split.validation), test=plan.held_out)
    rows = final_rows(plan, winner)
    trials = [
        PlannedRun(row=label, run=run_plan(recipe, seed, split, prepared, workspace))
        for label, recipe in rows
        for seed in range(plan.final_seeds)
    ]
    return StudyPlan(
        study=f"sweep-{plan.sweep}",
        study_id=final_id(plan.sweep_id, winner.number),
        preset=plan.preset,
        prepared=plan.prepared,
        data_name=plan.data.name,
        data_kind=plan.data.kind,
        grid_dhw=plan.grid_dhw,
        workers=plan.workers,
        gpu_share=plan.gpu_share,
        trials=tuple(trials),
        patients=patients_of(split, prepared),
        table=final_table(plan, winner),
        notes=(
            "The winner was chosen by inner validation cases; both rows are trained on all "
            "training cases, and no test case had a part in the choice.",
            *plan.notes,
        ),
    )


def final_id(sweep_id: str, winner: int) -> str:
    """Name the last step of a sweep; a trial of another number makes another one."""
    return f"{sweep_id}-final-{winner}"


def final_rows(plan: SweepPlan, winner: SweepTrial) -> list[tuple[str, Recipe]]:
    """Name what is tested at the end of a sweep."""
    rows = [(AS_PRINTED if plan.is_printed else BASE, plan.space.base)]
    recipe = plan.space.recipe(winner.values)
    if recipe != plan.space.base:
        rows.append((f"winner ({winner.label})", recipe))
    return rows


def final_table(plan: SweepPlan, winner: SweepTrial) -> Table:
    """Return the table of a sweep's last step."""
    printed = ROWS[-1].printed if plan.is_printed else Printed()
    rows = final_rows(plan, winner)
    return Table(
        name=f"sweep-{plan.sweep}",
        title=f"{plan.title} The winner on test cases".strip(),
        rows=tuple(
            Row(
                label=label,
                recipe=recipe,
                printed=printed if label == AS_PRINTED else Printed(),
                compared_with=rows[0][0],
            )
            for label, recipe in rows
        ),
    )


def _whole_split(
    preset: Preset, prepared: PreparedSet, choices: Choices
) -> tuple[Split, tuple[str, ...]]:
    """Return training, validation and test cases of a sweep, and what could not be checked."""
    drawn = split_of(preset, prepared, choices)
    unchecked = check_split(drawn, prepared, "--split" if choices.split else str(prepared.root))
    fraction = preset.validation_fraction or VALIDATION_FRACTION
    split = with_validation(drawn, prepared.cases, fraction=fraction, seed=SPLIT_SEED)
    if not split.validation:
        raise UserError(
            "no training case can be spared to score the search",
            where=str(prepared.root),
            fix="prepare more cases, or name validation cases with --split",
        )
    return split, unchecked
