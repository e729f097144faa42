"""What `--model` may name: a folder, an MLflow run, or a row of a study."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from voxsiam.errors import UserError

if TYPE_CHECKING:
    from voxsiam.orchestration.runs.trial_plan import TrialPlan
    from voxsiam.orchestration.studies.ledger import Ledger

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MAX_LISTED = 8


def find_model(text: str, workspace: Path) -> Path:
    """Return the model folder that a `--model` means.

    Args:
        text: A folder, an MLflow run id (32 hexadecimal digits), or STUDY/ROW or STUDY/ROW/SEED
            as in `table3/feature (3)/1`; the seed is 0 where none is given, and the name of a
            study with a single row will do.
        workspace: Where runs and studies are looked up.

    Raises:
        UserError: There is no such model; it lists those that there are.
    """
    folder = Path(text)
    if folder.is_dir():
        # The folder of a run is as good as the model inside it.
        inner = folder / "model"
        return inner if (inner / "model.json").is_file() else folder
    if is_run_id(text):
        return _downloaded(text, workspace)
    return find_trial(text, workspace, "model", "--model").run.directory / "model"


def is_run_id(text: str) -> bool:
    """Tell whether a text is MLflow's name of a run."""
    return _RUN_ID.fullmatch(text) is not None


def _downloaded(run_id: str, workspace: Path) -> Path:
    from voxsiam.orchestration.tracking.reader import download_model
    from voxsiam.orchestration.workspace import Workspace

    home = Workspace(workspace)
    return download_model(home.tracking_uri, run_id, home.cache / "models" / run_id)


def find_trial(text: str, workspace: Path, thing: str, option: str) -> "TrialPlan":
    """Find a finished row of a study.

    Args:
        text: STUDY/ROW or STUDY/ROW/SEED.
        workspace: Where studies are looked up.
        thing: What the row is wanted for.
        option: Where the user named it.

    Raises:
        UserError: There is no such row, or it has not finished; it lists those that have.
    """
    ledgers = _ledgers(workspace)
    study, _, rest = text.partition("/")
    row, _, last = rest.rpartition("/")
    wanted = (row, int(last)) if row and last.isdecimal() else (rest, 0)
    for ledger in ledgers:
        if ledger.plan.study != study:
            continue
        rows = {trial.row for trial in ledger.plan.trials}
        if not rest and len(rows) == 1:
            wanted = (*rows, 0)
        for trial in ledger.plan.trials:
            if (trial.row, trial.run.seed) == wanted:
                _require_finished(ledger, trial, thing)
                return trial
    raise UserError(
        f"There is no {thing} '{text}': no folder, no MLflow run id, and no row of a study.",
        where=f"{option}, workspace {workspace}",
        fix=_available(ledgers),
    )


def _ledgers(workspace: Path) -> list["Ledger"]:
    from voxsiam.orchestration.studies.ledger import find_ledgers
    from voxsiam.orchestration.workspace import Workspace

    # A workspace is not created only to be found empty.
    return find_ledgers(Workspace(workspace, may_write=False)) if workspace.is_dir() else []


def _require_finished(ledger: "Ledger", trial: "TrialPlan", thing: str) -> None:
    state = ledger.state(trial)
    if state != "finished":
        raise UserError(
            f"'{trial.name}' of {ledger.plan.study} has no {thing} yet: it is {state}.",
            where=str(ledger.path.parent),
            fix=f"voxsiam study resume {ledger.plan.study}",
        )


def _available(ledgers: list["Ledger"]) -> str:
    found = [
        f"'{ledger.plan.study}/{trial.row}/{trial.run.seed}'"
        for ledger in ledgers
        for trial in ledger.plan.trials
        if ledger.state(trial) == "finished"
    ]
    if not found:
        return "train one (voxsiam study run table3), or name its folder"
    more = f" and {len(found) - _MAX_LISTED} more" if len(found) > _MAX_LISTED else ""
    return f"there are {', '.join(found[:_MAX_LISTED])}{more}"
