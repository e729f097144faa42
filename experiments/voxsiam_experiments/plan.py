"""From a table, a preset and a prepared set to the list of runs."""

import math
from collections.abc import Iterable, Sequence

from voxsiam.errors import UserError
from voxsiam.fingerprint import fingerprint
from voxsiam.losses.config import SamplingConfig
from voxsiam.orchestration.runs.plan import (
    PlannedRun,
    RunData,
    RunPlan,
    run_identity,
    split_fingerprint,
)
from voxsiam.orchestration.studies.ledger import StudyPlan
from voxsiam.orchestration.studies.table import Row, Table
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.overrides import override
from voxsiam.training.recipe import METHOD_VERSION, Recipe
from voxsiam.types import PAPER_ORGANS, Shape, Split, organ_words
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.splits.absent_organs import absent_organs
from voxsiam_data.splits.holdout import split_cases
from voxsiam_data.splits.label_fraction import with_label_fraction
from voxsiam_data.splits.leaks import check_split
from voxsiam_experiments.presets import Choices, Preset
from voxsiam_experiments.settled_numerics import settle_numerics

SPLIT_SEED = 0
"""All rows and seeds of a study share one split: seeds vary the training, not the test cases."""

_LISTED = 6

SMALLEST_SHARE = 0.05
"""Of a GPU, for a worker."""


def check_choices(table: Table, preset: Preset, choices: Choices) -> None:
    """Refuse overrides that fit no row before anything is made or started."""
    check_gpu_share(preset, choices)
    sized_recipes(table, preset, preset.grid_dhw, choices)


def check_gpu_share(preset: Preset, choices: Choices) -> None:
    """Refuse that workers of one training share a GPU, and parts of one next to nothing."""
    if 0 < choices.gpu_share < SMALLEST_SHARE:
        raise UserError(
            f"{choices.gpu_share:g} of a GPU is too little to train on",
            where="--gpu-share",
            fix=f"give 0 (on CPUs), or {SMALLEST_SHARE} to 1",
        )
    if 0 < choices.gpu_share < 1 and (choices.workers or preset.workers) > 1:
        raise UserError(
            "workers of one training cannot share a GPU (NCCL refuses it)",
            where="--gpu-share",
            fix="add --workers 1, or leave --gpu-share out",
        )


def request_id(table: Table, preset: Preset, prepared: PreparedSet, choices: Choices) -> str:
    """Name a request before anything is measured: equal requests are one study."""
    recipes = sized_recipes(table, preset, prepared.config.grid_dhw, choices, prepared.organs)
    request = {
        "recipes": [recipe.model_dump(mode="json") for recipe in recipes],
        "data": prepared.fingerprint,
        "split": split_fingerprint(split_of(preset, prepared, choices)),
        "label_fractions": [row.label_fraction for row in table.rows],
        "seeds": choices.seeds or preset.seeds,
        "workers": choices.workers or preset.workers,
        "method_version": METHOD_VERSION,
    }
    return f"{table.name}-{preset.name}-{fingerprint(request)[:8]}"


def plan_study(
    table: Table, preset: Preset, prepared: PreparedSet, choices: Choices, workspace: Workspace
) -> StudyPlan:
    """Write out every run of a study; precision and layout are measured here where left open."""
    workers = choices.workers or preset.workers
    split, grid = split_of(preset, prepared, choices), prepared.config.grid_dhw
    where = "--split" if choices.split else str(prepared.root)
    unchecked = check_split(split, prepared, where)
    absent = absent_organs(split, prepared)
    splits = [_row_split(row, split, prepared) for row in table.rows]
    require_cases(splits, workers)
    unsettled = sized_recipes(table, preset, grid, choices, prepared.organs)
    recipes = settle_numerics(unsettled, grid, workers, workspace)
    trials = [
        PlannedRun(row=row.label, run=run_plan(recipe, seed, of_row, prepared, workspace))
        for row, recipe, of_row in zip(table.rows, recipes, splits, strict=True)
        for seed in range(choices.seeds or preset.seeds)
    ]
    return StudyPlan(
        study=table.name,
        study_id=request_id(table, preset, prepared, choices),
        preset=preset.name,
        prepared=prepared.root,
        data_name=prepared.name,
        data_kind=prepared.kind,
        grid_dhw=grid,
        workers=workers,
        gpu_share=choices.gpu_share,
        trials=tuple(trials),
        patients=patients_of(split, prepared),
        table=table,
        notes=(*_budget_notes(table, recipes, grid), *absent, *unchecked),
    )


def _budget_notes(table: Table, recipes: Sequence[Recipe], grid_dhw: Shape) -> list[str]:
    """Say which voxel budgets differ from the paper's, and which limit nothing."""
    notes: list[str] = []
    budgets: list[SamplingConfig] = []
    for row, recipe in zip(table.rows, recipes, strict=True):
        if recipe.feature_loss is None:
            continue
        sampling = recipe.feature_loss.sampling
        budgets.append(sampling)
        coarsest = 2 ** (recipe.network.levels - 1)
        cases = recipe.batch_size if sampling.scope == "batch" else 1
        deepest = cases * math.prod(axis // coarsest for axis in grid_dhw)
        if sampling.plan != "every_voxel" and sampling.max_voxels >= deepest:
            notes.append(
                f"{row.label}: the deepest layer has {deepest} voxels a {sampling.scope}, so its "
                f"budget of {sampling.max_voxels} limits nothing."
            )
    paper = SamplingConfig()
    if budgets and budgets[0].max_voxels != paper.max_voxels:
        notes.append(
            f"Voxel budgets are scaled with the grid: {budgets[0].max_voxels} a layer and batch, "
            f"{budgets[0].max_false_negatives} of them false negatives (the paper: "
            f"{paper.max_voxels} and {paper.max_false_negatives})."
        )
    return notes


def sized_recipes(
    table: Table,
    preset: Preset,
    grid_dhw: Shape,
    choices: Choices,
    organs: tuple[str, ...] = PAPER_ORGANS,
) -> list[Recipe]:
    """Bring each row to size; what the user sets is final, except for what an object leaves out.

    Args:
        organs: The classes of the data.
    """
    _require_organs(table, organs)
    objects = [s for s in choices.overrides if s.partition("=")[2].lstrip().startswith("{")]
    values = [s for s in choices.overrides if s not in objects]
    unsized = [override(row.recipe, objects) for row in table.rows]
    classes = len(organs) + 1
    sized = [preset.apply(recipe, grid_dhw, classes) for recipe in unsized]
    recipes = [override(recipe, values) for recipe in sized]
    for recipe in recipes:
        if recipe.network.num_classes != classes:
            raise UserError(
                f"prepared volumes hold {classes} classes, not {recipe.network.num_classes}",
                where="--set network.num_classes",
                fix=f"leave it at {classes}",
            )
    return recipes


def _require_organs(table: Table, organs: tuple[str, ...]) -> None:
    if not table.organs or table.organs == organs:
        return
    absent = [organ for organ in table.organs if organ not in organs]
    more = [organ for organ in organs if organ not in table.organs]
    parts = [("it lacks", absent), ("it has beside them", more)]
    told = [f"{what} {_listed(names)}" for what, names in parts if names]
    raise UserError(
        f"{table.name} is about {len(table.organs)} organs in the paper's order, the data set "
        f"has {len(organs)}: {'; '.join(told) or 'it has them in another order'}",
        where="--data",
        fix="prepare the source with --organs paper, or declare a study of your own",
    )


def _listed(organs: Sequence[str]) -> str:
    more = f" and {len(organs) - _LISTED} more" if len(organs) > _LISTED else ""
    return ", ".join(map(organ_words, organs[:_LISTED])) + more


def run_plan(
    recipe: Recipe, seed: int, split: Split, prepared: PreparedSet, workspace: Workspace
) -> RunPlan:
    """Write out one run: what is trained on which cases, and where its files go."""
    identity = run_identity(recipe, seed, split, prepared.fingerprint)
    return RunPlan(
        recipe=recipe,
        seed=seed,
        split=split,
        data=run_data(prepared),
        directory=workspace.run(identity),
        taught=taught_organs(split, prepared),
    )


def run_data(prepared: PreparedSet) -> RunData:
    """Say on which data a run is trained."""
    return RunData(
        fingerprint=prepared.fingerprint,
        name=prepared.name,
        kind=prepared.kind,
        preparation=prepared.config,
        organs=prepared.organs,
    )


def patients_of(split: Split, prepared: PreparedSet) -> dict[str, str]:
    """Name the patients of the test cases, for tests that count patients; mostly there are none."""
    tested = [prepared.case(case_id) for case_id in split.test]
    return {case.case_id: case.patient_id for case in tested if case.patient_id != case.case_id}


def taught_organs(split: Split, prepared: PreparedSet) -> tuple[str, ...]:
    """List the organs that some training case shows."""
    shown = {organ for case_id in split.train for organ in prepared.case(case_id).annotated}
    return tuple(organ for organ in prepared.organs if organ in shown)


def split_of(preset: Preset, prepared: PreparedSet, choices: Choices) -> Split:
    """Take the user's lists, or draw a split as the preset says."""
    return choices.split or split_cases(
        prepared.cases,
        test_fraction=preset.test_fraction,
        validation_fraction=preset.validation_fraction,
        seed=SPLIT_SEED,
    )


def _row_split(row: Row, split: Split, prepared: PreparedSet) -> Split:
    """Leave a row its share of the training cases; everybody is tested on the same cases."""
    if row.label_fraction == 1:
        return split
    return with_label_fraction(split, prepared.cases, fraction=row.label_fraction, seed=SPLIT_SEED)


def require_cases(splits: Iterable[Split], workers: int) -> None:
    """Refuse splits with fewer training cases than workers."""
    fewest = min(len(split.train) for split in splits)
    if fewest < workers:
        raise UserError(
            f"{fewest} training cases cannot feed {workers} workers",
            where="--workers",
            fix=f"use --workers {fewest} or prepare more cases",
        )
