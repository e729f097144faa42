"""One run, whatever carries it: train, read the test cases once, leave the results on disk."""

import csv
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8
from torch import Tensor

from voxsiam.collective import gather_objects
from voxsiam.inference.model_description import ModelDescription, TrainedOn
from voxsiam.inference.model_folder import write_model
from voxsiam.inference.segment import class_scores
from voxsiam.metrics.case_scores import NativePair, score_case, summarise
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import ScoringRules
from voxsiam.orchestration.manifest import CASES_FILE, describe_run
from voxsiam.orchestration.run_plan import RunPlan
from voxsiam.orchestration.workspace import write_json
from voxsiam.training.batch import rank_part
from voxsiam.training.config import METHOD_VERSION
from voxsiam.training.context import TrainContext
from voxsiam.training.loop import Training, fit
from voxsiam.training.objective import Objective
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

    Writes `cases.csv` (every organ of every test case), `overlay.npz` (one test case),
    `model/` (the base network), `manifest.json` (what repeats the run) and, last, `result.json`.
    """
    if plan.result_file.exists():
        return
    start = time.monotonic()
    training = Training(
        run_id=plan.run_id,
        recipe=plan.recipe,
        seed=plan.seed,
        split=plan.split,
        checkpoints=plan.checkpoints,
    )
    objective, records = fit(training, cases, context)
    scores = _test(objective, plan, cases, context)
    if context.rank == 0:
        seconds = time.monotonic() - start
        _write_results(plan, objective, scores, list(records), seconds, context)
    gather_objects(None)


def _test(
    objective: Objective, plan: RunPlan, cases: CaseSource, context: TrainContext
) -> list[OrganScore]:
    """Score the test cases, shared out over ranks; the first one's volumes are kept to look at."""
    mine: list[OrganScore] = []
    autocast = plan.recipe.numerics.autocast == "bfloat16"
    for case_id in rank_part(plan.split.test, context.rank, context.world_size):
        volume = cases(case_id)
        scores = class_scores(
            objective.network,
            volume.image,
            autocast=autocast,
            device=context.device,
            taught=plan.taught,
        )
        predicted = scores.argmax(0).byte().cpu().numpy()
        native = _native_pair(scores, cases.native(case_id))
        # An organ that nobody annotated is neither found nor invented.
        rules = ScoringRules(organs=volume.annotated)
        mine += score_case(case_id, predicted, volume.label, volume.spacing_mm, native, rules)
        if case_id == plan.split.test[0]:
            _write_overlay(plan.directory / "overlay.npz", volume, predicted)
    return [score for part in gather_objects(mine) for score in part]


def _native_pair(scores: Float32[Tensor, "k d h w"], reference: NativeReference) -> NativePair:
    """Bring a prediction to the scan's own grid, as `voxsiam predict` does."""
    predicted = restore_classes(scores, placement_of(reference))
    return NativePair(predicted, reference.label, reference.spacing_mm)


def _write_results(
    plan: RunPlan,
    objective: Objective,
    scores: list[OrganScore],
    records: list[dict[str, float]],
    seconds: float,
    context: TrainContext,
) -> None:
    with (plan.directory / CASES_FILE).open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(OrganScore)])
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)
    # The base network alone: the heads have no part in inference.
    write_model(plan.directory / "model", _description(plan), objective.network)
    summary = {name: value for name, value in summarise(scores).items() if value == value}
    manifest = describe_run(
        plan,
        workers=context.world_size,
        device=context.device,
        summary=summary,
        last_record=records[-1],
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


def _write_overlay(path: Path, volume: Volume, predicted: UInt8[np.ndarray, "d h w"]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        image=volume.image.astype(np.float16),
        label=volume.label,
        prediction=predicted,
        spacing_mm=np.asarray(volume.spacing_mm),
        case_id=np.asarray(volume.case_id),
    )
