"""What MLflow is told of a study or a sweep, and of its runs, before anything has come out.

It follows from the plan alone, so that whoever checks a store can compute it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voxsiam.fingerprint import flatten
from voxsiam.orchestration.runs.plan import PlannedRun, RunData, split_fingerprint
from voxsiam.orchestration.studies.ledger import StudyPlan
from voxsiam.orchestration.sweeps.plan import SweepPlan
from voxsiam.orchestration.tracking.names import PLAN_TAG
from voxsiam.training.recipe import METHOD_VERSION
from voxsiam.types import PAPER_ORGANS, Split


@dataclass(frozen=True)
class ParentRun:
    """The parent run of a study or a sweep.

    Attributes:
        name: On the command line.
        request_id: Equal requests have equal ids.
        preset: tiny, mini or paper.
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

    def tags(self) -> dict[str, str]:
        """Return the tags of the parent run, but for the commit."""
        tags = {
            "voxsiam.kind": self.kind,
            "voxsiam.study_id": self.request_id,
            "voxsiam.study": self.name,
            "voxsiam.preset": self.preset,
            "voxsiam.data": self.data.fingerprint,
            "voxsiam.data_name": self.data.name,
            "voxsiam.split": split_fingerprint(self.split),
            "mlflow.note.content": self.note,
        }
        if self.trials is not None:
            tags["voxsiam.trials"] = str(self.trials)
        if self.seal is not None:
            tags[PLAN_TAG] = self.seal
        return tags

    def tags_of(self, planned: PlannedRun) -> dict[str, str]:
        """Return the tags of one of its runs, but for the commit and for what becomes of it."""
        run, recipe = planned.run, planned.run.recipe
        loss, train_cases = recipe.feature_loss, str(len(run.split.train))
        trained = f"{recipe.network.name} without a feature loss"
        if loss is not None:
            relation = f"{loss.relation.name} on {loss.layers} layers, weight {loss.weight:g}"
            trained = f"{recipe.network.name} with {relation}"
        return {
            "voxsiam.kind": "trial",
            "voxsiam.row": planned.row,
            "voxsiam.run": run.run_id,
            "voxsiam.study": self.name,
            "voxsiam.preset": self.preset,
            "voxsiam.seed": str(run.seed),
            "voxsiam.recipe": recipe.fingerprint(),
            "voxsiam.method": loss.relation.name if loss is not None else "none",
            "voxsiam.method_version": str(METHOD_VERSION),
            "voxsiam.data": run.data.fingerprint,
            "voxsiam.data_name": run.data.name,
            "voxsiam.data_kind": run.data.kind,
            "voxsiam.split": split_fingerprint(run.split),
            "voxsiam.train_cases": train_cases,
            "mlflow.note.content": (
                f"**{planned.row}**, seed {run.seed} of **{self.name}** ({self.preset}): "
                f"{trained}, {recipe.epochs} epochs on {train_cases} training cases of "
                f"{run.data.name} ({run.data.kind}), tested on {len(run.split.test)}."
            ),
        }

    def params_of(self, planned: PlannedRun) -> dict[str, str]:
        """Return the parameters of one of its runs: the whole recipe, flat, with seed and row."""
        told = {"seed": planned.run.seed, "row": planned.row, "workers": self.workers}
        recipe = planned.run.recipe.model_dump(mode="json")
        return {name: str(value) for name, value in (flatten(recipe) | told).items()}


def parent_of_study(plan: StudyPlan, commit: str | None = None) -> ParentRun:
    """Describe a study that code of this commit has planned, where its ledger knows it."""
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
            **_common(plan, first.split, first.data),
            "study": plan.study,
            "rows": rows,
            "seeds": seeds,
            "notes": list(plan.notes),
            "patients": dict(plan.patients),
            **({"table": plan.table.model_dump(mode="json")} if plan.table else {}),
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
            **_common(plan, plan.split, plan.data),
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


def _common(plan: StudyPlan | SweepPlan, split: Split, data: RunData) -> dict[str, Any]:
    d, h, w = plan.grid_dhw
    return {
        "preset": plan.preset,
        "workers": plan.workers,
        "grid_hwd": [h, w, d],
        "cases": {side: len(ids) for side, ids in split.model_dump().items()},
        "data": {"name": data.name, "kind": data.kind},
        # The paper's need no word: plans of before there was a choice have none.
        **({} if data.organs == PAPER_ORGANS else {"organs": list(data.organs)}),
    }
