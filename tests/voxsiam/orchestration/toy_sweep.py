"""A sweep on made-up volumes."""

from pathlib import Path

from tests.voxsiam.training.toy import make_recipe
from voxsiam.orchestration.runs.plan import RunData
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.sweeps.plan import Budget, SweepPlan
from voxsiam.orchestration.sweeps.space import SearchSpace, Setting
from voxsiam.orchestration.workspace import Workspace
from voxsiam.types import PAPER_ORGANS, Split
from voxsiam.volumes.preparation_config import PreparationConfig

SETTINGS = (
    Setting(name="lambda", path="feature_loss.weight", low=0.1, high=1000.0, log=True),
    Setting(name="layers", path="feature_loss.layers", choices=(1, 2, 3)),
)


def make_sweep(**changes) -> SweepPlan:
    """Lambda and layers of a tiny network, without a test case."""
    epochs = changes.pop("epochs", 4)
    settings = changes.pop("settings", SETTINGS)
    values = {
        "sweep": "lambda",
        "sweep_id": "lambda-toy",
        "preset": "tiny",
        "prepared": Path("prepared"),
        "data": RunData(
            fingerprint="toy",
            name="toy",
            kind="phantom",
            preparation=PreparationConfig(grid_dhw=(16, 16, 16)),
        ),
        "split": Split(train=tuple("abcdef"), validation=("v",), test=()),
        "grid_dhw": (16, 16, 16),
        "workers": 1,
        "space": SearchSpace(base=make_recipe(epochs=epochs), settings=settings),
        "taught": PAPER_ORGANS,
    }
    return SweepPlan(**values | changes)


def make_ledger(folder: Path, budget: Budget | None = None, **changes) -> SweepLedger:
    """A fresh ledger in a workspace of its own."""
    workspace = Workspace(folder)
    return SweepLedger.create(workspace, make_sweep(**changes), budget or Budget(trials=4))
