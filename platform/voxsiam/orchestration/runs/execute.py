"""One run, whatever carries it: train, read the test cases once, leave the results on disk."""

import time
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from voxsiam.collective import gather_objects
from voxsiam.durable_files import write_json
from voxsiam.inference.model_folder import ModelDescription, TrainedOn, write_model
from voxsiam.inference.segment import network_output, probabilities
from voxsiam.inference.voxel_features import CaseFeatures, draw_features
from voxsiam.metrics.case_scores import NativePair, score_case, summarise
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import ScoringRules
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
from voxsiam.training.batch import rank_part
from voxsiam.training.context import TrainContext
from voxsiam.training.loop import Training, fit
from voxsiam.training.objective import Objective
from voxsiam.training.recipe import METHOD_VERSION
from voxsiam.types import NativeReference, Volume
from voxsiam.volumes.placement import placement_of
from voxsiam.volumes.restoration import restore_classes


@runtime_checkable
class CaseSource(Protocol):
    """Where a run's cases come from; it travels to the workers."""

    def __call__(self, case_id: str) -> Volume:
        """Return a case on the training grid."""
        ...

    def native(self, case_id: str) -> NativeReference:
        """Return its label map on the scan's own grid."""
        ...


def execute_run(plan: RunPlan, cases: CaseSource, context: TrainContext) -> None:
    """Train and test one run; a finished one is left as it is.

    Writes `cases.csv` (every organ of every test case), `epochs.csv` (every figure of every epoch),
    `overlay.npz` (one test case), `predictions.npz` (all of them, on the grid),
    `native_predictions.npz` (on the voxels of each scan), `features.npz` (some test voxels),
    `model/` (the base network), `manifest.json` (what repeats and seals the run) and, last,
    `result.json`. A run without test cases has no scores, and none of the arrays.
    """
    # The first rank decides: another one may see the folder as it was a minute ago.
    if gather_objects(plan.result_file.exists())[0]:
        return
    start = time.monotonic()
    training = Training(
        plan.run_id, plan.recipe, plan.seed, plan.split, plan.checkpoints, plan.data.organs
    )
    objective, records = fit(training, cases, context)
    tested = _test(objective, plan, cases, context)
    if context.rank == 0:
        seconds = time.monotonic() - start
        _write_results(plan, objective, tested, list(records), seconds, context)
    gather_objects(None)


@dataclass(frozen=True)
class _TestedCase:
    scores: list[OrganScore]
    features: CaseFeatures
    predicted: PackedLabels
    native: PackedLabels


def _test(
    objective: Objective, plan: RunPlan, cases: CaseSource, context: TrainContext
) -> dict[str, _TestedCase]:
    """Test every test case, shared out over ranks; all of them come back, in the split's order."""
    mine = {
        case_id: _test_case(case_id, objective, plan, cases, context)
        for case_id in rank_part(plan.split.test, context.rank, context.world_size)
    }
    found = {name: case for part in gather_objects(mine) for name, case in part.items()}
    return {case_id: found[case_id] for case_id in plan.split.test}


def _test_case(
    case_id: str, objective: Objective, plan: RunPlan, cases: CaseSource, context: TrainContext
) -> _TestedCase:
    """Score a case and keep some of its features; the first one's volumes are kept to look at."""
    volume = cases(case_id)
    autocast = plan.recipe.numerics.autocast == "bfloat16"
    network = objective.network
    output = network_output(network, volume.image, autocast=autocast, device=context.device)
    strides, num_cases = network.feature_strides, len(plan.split.test)
    features = draw_features(output.features, strides, volume, num_cases)
    scores = probabilities(output.logits, plan.taught, volume.organs)
    predicted = scores.argmax(0).byte().cpu().numpy()
    reference = cases.native(case_id)
    # To the scan's own grid as `voxsiam predict` brings it.
    restored = restore_classes(scores, placement_of(reference))
    native = NativePair(restored, reference.label, reference.spacing_mm)
    if case_id == plan.split.test[0]:
        write_overlay(plan.directory, volume, predicted)
    # An organ that nobody annotated is neither found nor invented.
    rules = ScoringRules(
        classes=volume.organs, organs=volume.annotated, distances=plan.recipe.scoring
    )
    found = score_case(case_id, predicted, volume.label, volume.spacing_mm, native, rules)
    return _TestedCase(found, features, PackedLabels.of(predicted), PackedLabels.of(restored))


def _write_results(
    plan: RunPlan,
    objective: Objective,
    tested: dict[str, _TestedCase],
    records: list[dict[str, float]],
    seconds: float,
    context: TrainContext,
) -> None:
    scores = [score for case in tested.values() for score in case.scores]
    write_scores(plan.directory, scores)
    write_epochs(plan.directory, records)
    if tested:
        write_features(plan.directory, {name: case.features for name, case in tested.items()})
        on_grid = {name: case.predicted for name, case in tested.items()}
        write_predictions(plan.directory / PREDICTIONS, on_grid)
        native = {name: case.native for name, case in tested.items()}
        write_predictions(plan.directory / NATIVE_PREDICTIONS, native)
    # The base network alone: the heads have no part in inference.
    write_model(plan.directory / "model", _description(plan), objective.network)
    means = summarise(scores, plan.data.organs) if tested else {}
    summary = {name: value for name, value in means.items() if value == value}
    manifest = describe_run(
        plan,
        workers=context.world_size,
        device=context.device,
        summary=summary,
        last_record=records[-1],
        seconds=seconds,
    )
    write_json(plan.manifest_file, manifest.model_dump(mode="json"))
    content = {"run_id": plan.run_id, "summary": summary, "records": records, "seconds": seconds}
    write_json(plan.result_file, content)


def _description(plan: RunPlan) -> ModelDescription:
    recipe, data = plan.recipe, plan.data
    return ModelDescription(
        network=recipe.network,
        autocast="bfloat16" if recipe.numerics.autocast == "bfloat16" else "float32",
        preparation=data.preparation,
        classes=("background", *data.organs),
        taught=plan.taught,
        method_version=METHOD_VERSION,
        trained=TrainedOn(
            run_id=plan.run_id,
            data_name=data.name,
            data_kind=data.kind,
            epochs=recipe.epochs,
            seed=plan.seed,
        ),
    )
