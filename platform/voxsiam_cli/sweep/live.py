"""What a sweep looks like while it runs: a live table on a terminal, plain lines elsewhere."""

import math

from rich.table import Table

from voxsiam.orchestration.runs.plan import PlannedRun, RunState
from voxsiam.orchestration.sweeps.early_stopping import score_figure
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import SETTLED, SweepTrial, score_title
from voxsiam.orchestration.sweeps.space import Values, value_text
from voxsiam.training.context import Record
from voxsiam_cli.console import clock, say, say_elsewhere

SHOWN = 20
"""Trials in the live table: the newest."""


class LiveSweep:
    """Listens to a sweep and shows each trial's epoch and score, the best one and the time left."""

    def __init__(self, ledger: SweepLedger) -> None:
        self._ledger = ledger

    def run_started(self, planned: PlannedRun) -> None:
        """Show that a run starts."""
        self._line(f"{planned.name}: starting")

    def epoch_done(self, planned: PlannedRun, record: Record) -> None:
        """Show the last epoch; the others stand in the table."""
        epoch, epochs = int(record["epoch"]), planned.run.recipe.epochs
        if epoch in (1, epochs):
            plan = self._ledger.plan
            score = record.get(score_figure(plan))
            found = "" if score is None else f", {score_title(plan.score)} {score:.3f}"
            self._line(f"{planned.name}: epoch {epoch}/{epochs}{found}")

    def incident(self, planned: PlannedRun, text: str) -> None:
        """Say what went wrong and was survived."""
        say(f"[{clock(self._ledger.spent.seconds)}] {planned.name}: {text}", "yellow")

    def run_ended(self, planned: PlannedRun, state: RunState, error: str | None) -> None:
        """Show what cut a run off; how a whole trial ended is told by itself."""
        if state in ("failed", "interrupted"):
            self._line(f"{planned.name}: {state}{f' ({error})' if error else ''}")

    def trial_ended(self, trial: SweepTrial) -> None:
        """Show what a trial came to, and where the search stands."""
        score = self._ledger.plan.score
        found = f", {score_title(score)} {trial.objectives[score]:.3f}" if trial.objectives else ""
        self._line(f"{trial.label}: {trial.state}{found} ({told(trial.values)})")
        self._line(self.standing())

    def standing(self) -> str:
        """Say how far the search is."""
        ledger, best = self._ledger, self._ledger.best()
        done = sum(trial.state in SETTLED for trial in ledger.trials)
        of_all = f" of {ledger.budget.trials}" if ledger.budget.trials else ""
        words = [f"{done}{of_all} trials done in {clock(ledger.spent.seconds)}"]
        if best:
            score = ledger.plan.score
            words.append(
                f"best: {best.label} with {score_title(score)} {best.objectives[score]:.3f}"
            )
        left = self._left(done)
        if left is not None:
            words.append(f"about {clock(left)} left")
        return ", ".join(words)

    def table(self) -> Table:
        """Draw the present state."""
        ledger, best = self._ledger, self._ledger.best()
        name = ledger.plan.score
        table = Table("trial", "state", "epoch", score_title(name), "settings")
        for trial in ledger.trials[-SHOWN:]:
            last = max(trial.curve, default=0)
            score = trial.last_score(name)
            table.add_row(
                f"{trial.number}{' *' if trial == best else ''}",
                trial.state,
                f"{last}/{ledger.plan.space.base.epochs}",
                "" if math.isnan(score) else f"{score:.3f}",
                told(trial.values),
            )
        table.caption = self.standing()
        return table

    def _left(self, done: int) -> float | None:
        """Estimate the rest from the time that a trial has taken on average."""
        ledger = self._ledger
        limits = []
        if ledger.budget.trials and done:
            limits.append(ledger.spent.seconds / done * max(0, ledger.budget.trials - done))
        if ledger.budget.hours:
            limits.append(max(0.0, ledger.budget.hours * 3600 - ledger.spent.seconds))
        return min(limits, default=None)

    def _line(self, text: str) -> None:
        say_elsewhere(text, self._ledger.spent.seconds)


def told(values: Values) -> str:
    """Write a point of the space in one line."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())
