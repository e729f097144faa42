"""What MLflow is told about a study or a sweep as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voxsiam.orchestration.runs.plan import RunData
from voxsiam.orchestration.studies.ledger import StudyPlan
from voxsiam.orchestration.sweeps.plan import SweepPlan
from voxsiam.types import Shape, Split


@dataclass(frozen=True)
class ParentRun:
    """The parent run of a study or a sweep.

    Attributes:
        kind: What it is.
        name: On the command line.
        request_id: Equal requests have equal ids.
        preset: Its size.
        data: What it sees.
        split: Who stands on which side; of its first row, where rows differ.
        workers: Of a trial.
        trials: Trainings that were asked for; None where a budget decides.
        note: What people read above the run, in Markdown.
        plan: What the reports need to know, kept as an artifact.
        seal: Of the whole plan of a study.
        commit: Of the code that planned it; None where that is not kept.
    """

    kind: Literal["study", "sweep"]
    name: str
    request_id: str
    preset: str
    data: RunData
    split: Split
    workers: int
    trials: int | None
    note: str
    plan: Mapping[str, Any] = field(default_factory=dict)
    seal: str | None = None
    commit: str | None = None


def parent_of_study(plan: StudyPlan, commit: str | None = None) -> ParentRun:
    """Describe a study.

    Args:
        commit: Of the code that planned it, where its ledger knows.
    """
    first = plan.trials[0].run
    rows = list(dict.fromkeys(planned.row for planned in plan.trials))
    seeds = sorted({planned.run.seed for planned in plan.trials})
    return ParentRun(
        kind="study",
        name=plan.study,
        request_id=plan.study_id,
        preset=plan.preset,
        data=first.data,
        split=first.split,
        workers=plan.workers,
        trials=len(plan.trials),
        note=(
            f"**{plan.study}** ({plan.preset}) on {plan.data_name}, {plan.data_kind} data. "
            f"Rows: {', '.join(rows)}; {len(seeds)} seeds. "
            f"Report: `voxsiam study report {plan.study_id}`."
        ),
        plan={
            **_common(plan.preset, plan.workers, plan.grid_dhw, first.split, first.data),
            "study": plan.study,
            "rows": rows,
            "seeds": seeds,
            "notes": list(plan.notes),
            "patients": dict(plan.patients),
        },
        seal=plan.seal(),
        commit=commit or None,
    )


def parent_of_sweep(plan: SweepPlan) -> ParentRun:
    """Describe a sweep."""
    names = ", ".join(setting.name for setting in plan.space.settings)
    return ParentRun(
        kind="sweep",
        name=plan.sweep,
        request_id=plan.sweep_id,
        preset=plan.preset,
        data=plan.data,
        split=plan.split,
        workers=plan.workers,
        trials=None,
        note=(
            f"**Sweep {plan.sweep}** ({plan.preset}) over {names} on {plan.data.name}, "
            f"{plan.data.kind} data, scored on inner validation cases alone. Trials that were "
            "stopped early have the status KILLED and `voxsiam.state = stopped`. "
            f"Report: `voxsiam sweep report {plan.sweep_id}`."
        ),
        plan={
            **_common(plan.preset, plan.workers, plan.grid_dhw, plan.split, plan.data),
            "sweep": plan.sweep,
            "objectives": list(plan.objectives),
            "seeds": plan.seeds,
            "sampler": plan.sampler,
            "stop_early": plan.stop_early,
            "epochs": plan.space.base.epochs,
            "settings": [setting.model_dump(mode="json") for setting in plan.space.settings],
            "notes": list(plan.notes),
        },
    )


def _common(
    preset: str, workers: int, grid_dhw: Shape, split: Split, data: RunData
) -> dict[str, Any]:
    d, h, w = grid_dhw
    return {
        "preset": preset,
        "workers": workers,
        "grid_hwd": [h, w, d],
        "cases": {side: len(ids) for side, ids in split.model_dump().items()},
        "data": {"name": data.name, "kind": data.kind},
    }
