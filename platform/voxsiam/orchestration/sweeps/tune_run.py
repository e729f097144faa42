"""A sweep as Ray Tune trials: points suggested by Optuna, those that fall behind stopped early."""

from collections.abc import Sequence

from voxsiam.orchestration.cluster.capacity import Capacity
from voxsiam.orchestration.cluster.fair_share import FairShare
from voxsiam.orchestration.runs.execute import CaseSource
from voxsiam.orchestration.sweeps.early_stopping import early_stopping
from voxsiam.orchestration.sweeps.history import SearchHistory
from voxsiam.orchestration.sweeps.keeper import SweepKeeper, SweepListener
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.search import BudgetStopper, SweepSearch
from voxsiam.orchestration.trials.cluster_metrics import cluster_listeners
from voxsiam.orchestration.trials.fair_trials import FairSearch, Turns
from voxsiam.orchestration.trials.trial import TrialSetup, run_trials
from voxsiam.orchestration.trials.tune_bridge import TuneBridge
from voxsiam.orchestration.workspace import Workspace


def run_sweep(
    ledger: SweepLedger,
    load: CaseSource,
    workspace: Workspace,
    capacity: Capacity,
    listeners: Sequence[SweepListener],
) -> None:
    """Search until the budget is used up; trials that were cut off go on first.

    On an interrupt, and when the hours are used up, the trials in progress are marked as
    interrupted: their checkpoints remain, and a resume goes on from them.
    """
    plan = ledger.plan
    slots = capacity.trials_at_once(plan.workers, plan.gpu_share)
    search = SweepSearch(ledger, SearchHistory(ledger))
    keeper = SweepKeeper(ledger, search, plan.workers if capacity.gpus else 0, listeners)
    heard = [keeper, *listeners, *cluster_listeners(plan.sweep_id)]
    bridge = TuneBridge(search.runs, heard, keeper.when_cut_short)
    setup = TrialSetup(
        plan.sweep_id, load, workspace, capacity, plan.workers, slots, plan.gpu_share
    )
    turns = Turns(FairShare(setup.size))
    run_trials(
        setup,
        bridge,
        FairSearch(search, turns),
        early_stopping(ledger, turns, None if setup.in_process else search.ask_to_end),
        stop=BudgetStopper(ledger, in_process=setup.in_process),
    )
