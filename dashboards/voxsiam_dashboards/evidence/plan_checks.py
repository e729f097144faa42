"""Whether a study is what was planned: its sealed plan, and a run for each of its trials."""

from dataclasses import dataclass

from voxsiam.errors import UserError
from voxsiam.orchestration.runs.planned_run import PlannedRun
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking.names import COMMIT_TAG
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.run_description import parent_tags
from voxsiam.orchestration.tracking.run_store import RunStore
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.store.trial_files import read_object

PLAN_FILE = "study/plan.json"


@dataclass(frozen=True)
class TrackedRun:
    """A trial of the plan beside the run that MLflow holds of it."""

    planned: PlannedRun
    found: TrialResult


def check_plan(ledger: Ledger, results: StudyResults, store: RunStore, check: Check) -> None:
    """Compare the plan with its seals, and the study's own run with the plan."""
    where, plan = str(ledger.path), ledger.plan
    if ledger.seals:
        sealed = {"the sealed plan": ledger.seals[-1].plan}
        check.compare(where, sealed, {"the sealed plan": plan.seal()})
        check.notes += [f"plan amended {seal.at}: {seal.what}" for seal in ledger.seals[1:]]
    else:
        check.unreadable(where, "the plan has no seal")
    parent = store.find(results.parent_run_id)
    if parent is None:
        check.unreadable(f"run {results.parent_run_id}", "it is gone")
        return
    tags = parent_tags(parent_of_study(plan))
    if ledger.commit:
        tags[COMMIT_TAG] = ledger.commit
    where = f"run {parent.run_id} (the study's own), tags"
    check.compare(where, tags, {name: parent.tags.get(name) for name in tags})
    try:
        kept = store.read(parent.run_id, PLAN_FILE, read_object)
    except UserError as error:
        check.unreadable(f"run {parent.run_id}, {PLAN_FILE}", error.what)
        return
    told = _plain(dict(parent_of_study(plan).plan))
    check.compare(f"run {parent.run_id}, {PLAN_FILE}", told, _plain(kept))


def planned_runs(ledger: Ledger, results: StudyResults, check: Check) -> list[TrackedRun]:
    """Pair what was planned with what there is; what has finished and is not there is named."""
    found = {(trial.row, trial.seed): trial for trial in results.trials}
    pairs: list[TrackedRun] = []
    for trial in ledger.plan.trials:
        run = found.pop((trial.row, trial.run.seed), None)
        ended = ledger.state(trial) in ("finished", "lost")
        status = {trial.name: run.status if run is not None else "no run"}
        # One that still runs, or was never begun, owes nothing.
        due = {trial.name: "FINISHED"} if ended else status
        check.compare(f"runs of {results.study_id} in MLflow", due, status)
        if run is not None and run.status == "FINISHED":
            pairs.append(TrackedRun(trial, run))
    for run in found.values():
        what = f"run {run.run_id} ({run.row}, seed {run.seed})"
        check.compare(f"plan of {results.study_id}", {what: "not planned"}, {what: "there"})
    return pairs


def _plain(tree: dict) -> dict[str, object]:
    """Flatten a tree so that a difference is named by its place."""
    plain: dict[str, object] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            plain |= {f"{name}.{inner}": each for inner, each in _plain(value).items()}
        else:
            plain[name] = list(value) if isinstance(value, tuple) else value
    return plain
