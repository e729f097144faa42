"""A made-up study in a workspace, as its driver leaves it: written by the program's own writers.

Only the trainings are made up. Predictions are the annotated organs, moved a little; their scores
are computed, and runs of one row share a few such sets of predictions.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from voxsiam.durable_files import write_json
from voxsiam.inference.model_folder import ModelDescription, TrainedOn, write_model
from voxsiam.inference.voxel_features import LevelFeatures
from voxsiam.metrics.case_scores import NativePair, score_case, summarise
from voxsiam.models.catalogue import build_network
from voxsiam.orchestration.runs.manifest import describe_run
from voxsiam.orchestration.runs.plan import RunPlan
from voxsiam.orchestration.runs.result_files import (
    NATIVE_PREDICTIONS,
    PREDICTIONS,
    PackedLabels,
    write_epochs,
    write_features,
    write_overlay,
    write_predictions,
    write_scores,
)
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.recipe import METHOD_VERSION
from voxsiam.training.usage import USAGE_NAMES
from voxsiam.types import PAPER_ORGANS, Split
from voxsiam.volumes.orientation import AxisOrder
from voxsiam.volumes.placement import Placement, whole_box
from voxsiam.volumes.preparation import PREPARATION_VERSION, PreparedVolume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.entries import write_entry
from voxsiam_data.prepared.prepared_set import (
    RECORD,
    VOLUMES,
    PreparedCase,
    PreparedRecord,
    PreparedSet,
    open_prepared,
)
from voxsiam_data.prepared.record import data_fingerprint
from voxsiam_experiments.plan import plan_study
from voxsiam_experiments.presets import PRESETS, Choices
from voxsiam_experiments.studies import STUDIES

STUDY, PRESET = STUDIES["table3"], PRESETS["tiny"]
SPACING_MM = (5.0, 2.5, 2.5)
TRAINING_CASES = 8
FIGURES = 30
"""Of an epoch; what a training with the feature loss on three layers writes."""

PREDICTED_SETS = 2
"""Of each row: scoring a set for each run would take hours."""

CHANNELS = (64, 32, 16)


def label_of(number: int) -> UInt8[np.ndarray, "d h w"]:
    """Return eight organs in a grid of the preset, of sizes that differ from case to case."""
    grid, rng = PRESET.grid_dhw, np.random.default_rng(number)
    axes = np.meshgrid(*(np.arange(n) for n in grid), indexing="ij")
    label = np.zeros(grid, np.uint8)
    for value in range(1, len(PAPER_ORGANS) + 1):
        bits = ((value - 1) >> np.arange(3)) & 1
        centre = (0.25 + 0.5 * bits) * grid
        radius = rng.uniform(2.5, 0.2 * grid[0], 3)
        terms = zip(axes, centre, radius, strict=True)
        label[sum(((x - c) / r) ** 2 for x, c, r in terms) < 1] = value
    return label


def write_prepared(root: Path, cases: int) -> PreparedSet:
    """Write a prepared set of so many test cases and a few for training."""
    config = PreparationConfig(grid_dhw=PRESET.grid_dhw)
    (root / VOLUMES).mkdir(parents=True)
    order = AxisOrder((2, 1, 0), (False, False, False))
    placement = Placement(order, config.grid_dhw, SPACING_MM, whole_box(config.grid_dhw))
    described: list[PreparedCase] = []
    for number in range(cases + TRAINING_CASES):
        label, organs = label_of(number), tuple(range(1, len(PAPER_ORGANS) + 1))
        image = (0.1 * label).astype(np.float16)
        volume = PreparedVolume(image, label, label, organs, PAPER_ORGANS, placement, SPACING_MM)
        facts = write_entry(root / VOLUMES, f"{number:016x}", volume)
        named = {"case_id": f"case{number:04}", "patient_id": f"case{number:04}"}
        more = {"source": "made up", "key": f"{number:016x}"}
        described.append(PreparedCase(**named, **more, **facts.for_record()))
    record = PreparedRecord(
        version=PREPARATION_VERSION, name="made up", kind="phantom", config=config,
        fingerprint=data_fingerprint(config, described), cases=tuple(described),
    )  # fmt: skip
    (root / RECORD).write_text(record.model_dump_json())
    return open_prepared(root)


@dataclass(frozen=True)
class Tested:
    """What some trainings of a row leave of their test cases: files in a folder, and means."""

    folder: Path
    summary: dict[str, float]


def write_tested(folder: Path, prepared: PreparedSet, shift: int, seed: int) -> Tested:
    """Predict every test case, score it, and write all that a run keeps of it."""
    folder.mkdir(parents=True)
    rng, scores = np.random.default_rng(seed), []
    packed: dict[str, PackedLabels] = {}
    for case in prepared.cases[TRAINING_CASES:]:
        volume = prepared.load(case.case_id)
        moved = np.roll(volume.label, shift, axis=int(rng.integers(3)))
        predicted = np.where(rng.random(moved.shape) < 0.02, 0, moved).astype(np.uint8)
        if rng.random() < 0.1:
            predicted[predicted == rng.integers(1, 9)] = 0
        native = NativePair(predicted, volume.label, SPACING_MM)
        scores += score_case(case.case_id, predicted, volume.label, SPACING_MM, native)
        if not packed:
            write_overlay(folder, volume, predicted)
        packed[case.case_id] = PackedLabels.of(predicted)
    write_scores(folder, scores)
    write_predictions(folder / PREDICTIONS, packed)
    write_predictions(folder / NATIVE_PREDICTIONS, packed)
    write_features(folder, {name: _features(rng, number) for number, name in enumerate(packed)})
    return Tested(folder, {k: v for k, v in summarise(scores).items() if v == v})


def _features(rng: np.random.Generator, number: int) -> tuple[LevelFeatures, ...]:
    """One voxel of each class: about as many in all as a run keeps of 300 cases."""
    classes = np.arange(9, dtype=np.uint8)
    cases = np.full(len(classes), number, np.int32)
    clouds = (np.eye(9, channels) + rng.normal(0, 0.3, (9, channels)) for channels in CHANNELS)
    return tuple(LevelFeatures(cloud.astype(np.float16), classes, cases) for cloud in clouds)


def write_study(workspace: Workspace, prepared: PreparedSet, sets: Path, runs: int,
                epochs: int) -> Ledger:  # fmt: skip
    """Write a finished study of so many runs, a third of them for each row of Table III.

    Args:
        sets: Folder of the predictions that runs share; written where it is missing.
    """
    names = [case.case_id for case in prepared.cases]
    train, test = names[:TRAINING_CASES], names[TRAINING_CASES:]
    split = Split(train=tuple(train[2:]), validation=tuple(train[:2]), test=tuple(test))
    choices = Choices(seeds=runs // len(STUDY.rows), overrides=(f"epochs={epochs}",), split=split)
    plan = plan_study(STUDY, PRESET, prepared, choices, workspace)
    ledger = Ledger.create(workspace, plan)
    tracker = StudyTracker(workspace, parent_of_study(plan, ledger.commit))
    tested = {
        (row.label, number): _tested(sets / f"{index}-{number}", prepared, index, number)
        for index, row in enumerate(STUDY.rows)
        for number in range(PREDICTED_SETS)
    }
    network = build_network(plan.trials[0].run.recipe.network)
    for trial in plan.trials:
        tracker.run_started(trial)
        _write_run(trial.run, tested[trial.row, trial.run.seed % PREDICTED_SETS], network)
        tracker.run_ended(trial, "finished", None)
    tracker.ended("finished")
    return ledger


def _tested(folder: Path, prepared: PreparedSet, index: int, number: int) -> Tested:
    summary = folder.with_suffix(".json")
    if not summary.exists():
        found = write_tested(folder, prepared, 3 - index, PREDICTED_SETS * index + number)
        write_json(summary, found.summary)
    return Tested(folder, json.loads(summary.read_text()))


def _write_run(plan: RunPlan, tested: Tested, network: nn.Module) -> None:
    """Write a run's folder as `execute_run` does, but for its checkpoints."""
    shutil.copytree(tested.folder, plan.directory)
    records = _records(plan)
    write_epochs(plan.directory, records)
    write_model(plan.directory / "model", _description(plan), network)
    seconds = 2.5 * len(records)
    manifest = describe_run(
        plan, workers=PRESET.workers, device=torch.device("cpu"), summary=tested.summary,
        last_record=records[-1], seconds=seconds,
    )  # fmt: skip
    write_json(plan.manifest_file, manifest.model_dump(mode="json"))
    content = {"run_id": plan.run_id, "summary": tested.summary, "records": records}
    write_json(plan.result_file, content | {"seconds": seconds})


def _records(plan: RunPlan) -> list[dict[str, float]]:
    rng = np.random.default_rng(plan.seed)
    shown = ("train/loss", "validation/dsc", *USAGE_NAMES)
    names = [*shown, *(f"train/figure_{n}" for n in range(FIGURES - len(shown)))]
    return [
        {"epoch": float(epoch)} | dict(zip(names, map(float, rng.random(len(names))), strict=True))
        for epoch in range(1, plan.recipe.epochs + 1)
    ]


def _description(plan: RunPlan) -> ModelDescription:
    trained = TrainedOn(
        run_id=plan.run_id, data_name=plan.data.name, data_kind=plan.data.kind,
        epochs=plan.recipe.epochs, seed=plan.seed,
    )  # fmt: skip
    return ModelDescription(
        network=plan.recipe.network, autocast="float32", preparation=plan.data.preparation,
        taught=plan.taught, method_version=METHOD_VERSION, trained=trained,
    )  # fmt: skip
