"""What the report and the page say of a sweep: what was searched, who won, every trial."""

import math

from voxsiam.orchestration.sweeps.plan import SweepTrial
from voxsiam_dashboards.figures.importance import LEAST_TRIALS
from voxsiam_dashboards.figures.sweep_charts import last_score
from voxsiam_dashboards.store.sweep_results import SweepResults
from voxsiam_dashboards.tables.text_table import TextTable

PURPOSE = (
    "A search over what the paper fixes without saying how it was found. Trials are scored on "
    "inner validation cases; no test case was read while searching."
)


def winner_text(results: SweepResults) -> str:
    """Say who won, and what that is worth."""
    best = next((trial for trial in results.trials if trial.number == results.best), None)
    if best is None:
        return "No trial has been trained to the end yet, so there is no winner."
    settings = ", ".join(f"{name} {value:.4g}" for name, value in best.values.items())
    return (
        f"Winner: trial {best.number}, validation DSC {best.objectives['dsc']:.4f} ({settings}). "
        "The best of several scores is too high by chance: the table of the test cases below is "
        "what counts."
    )


def too_few_text(results: SweepResults) -> str:
    """Say why no importance is told."""
    return (
        f"Nothing can be said: it takes two settings, and {LEAST_TRIALS} trials that were trained "
        f"to the end and differ; there are {len(results.finished)}."
    )


def trial_table(results: SweepResults) -> TextTable:
    """Write one line a trial."""
    names = tuple(setting.name for setting in results.settings)
    return TextTable(
        title="Trials",
        header=("Trial", "State", "Epochs", "Validation DSC", "Seconds a run", *names),
        body=tuple(_line(trial, results) for trial in results.trials),
        notes=(
            "Scores of trials that were stopped early are those of their last epoch; only trials "
            "trained to the end are compared, and only they can win.",
        ),
        bold=frozenset() if results.best is None else frozenset({(results.best, 3)}),
    )


def _line(trial: SweepTrial, results: SweepResults) -> tuple[str, ...]:
    score, seconds = last_score(trial), trial.objectives.get("seconds")
    state = {"finished": "trained to the end", "stopped": "stopped early"}.get(
        trial.state, trial.state
    )
    return (
        f"{trial.number}{' (winner)' if trial.number == results.best else ''}",
        f"{state}: {trial.error}" if trial.error else state,
        f"{max(trial.curve, default=0)} of {results.plan['epochs']}",
        "-" if math.isnan(score) else f"{score:.4f}",
        "-" if seconds is None else f"{seconds:.1f}",
        *(f"{trial.values[setting.name]:.4g}" for setting in results.settings),
    )


def sweep_facts(results: SweepResults) -> dict[str, str]:
    """What was searched, and what it has cost."""
    plan, spent, budget = results.plan, results.spent, results.budget
    limits = {name: value for name, value in budget.model_dump().items() if value is not None}
    facts = {
        "Preset": str(plan["preset"]),
        "Data": f"{plan['data']['name']} ({plan['data']['kind']})",
        "Cases": f"{plan['cases']['train']} train, {plan['cases']['validation']} validation",
        "Objectives": ", ".join(plan["objectives"]),
        "Sampler": str(plan["sampler"]),
        "Early stopping": "ASHA" if plan["stop_early"] else "none",
        "Seeds a trial": str(plan["seeds"]),
        "Budget": ", ".join(f"{value:g} {name}" for name, value in limits.items()),
        "Spent": f"{spent.seconds / 3600:.3g} hours"
        + (f", {spent.gpu_seconds / 3600:.3g} GPU-hours" if spent.gpu_seconds else ""),
        "Sweep": results.sweep_id,
    }
    return {name: value for name, value in facts.items() if value.strip()}
