"""What `--model` may name: a folder, an MLflow run, or a row of a study."""

import atexit
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from voxsiam.errors import UserError

if TYPE_CHECKING:
    from voxsiam.orchestration.runs.planned_run import PlannedRun
    from voxsiam.orchestration.studies.ledger import Ledger, StudyPlan

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MAX_LISTED = 8


def find_model(text: str, workspace: Path) -> Path:
    """Return the model folder that a `--model` means.

    Args:
        text: A folder, an MLflow run id (32 hexadecimal digits), or STUDY/ROW or STUDY/ROW/SEED
            as in `table3/feature (3)/1`; the seed is 0 where none is given, and the name of a
            study with a single row will do. STUDY is an id, or a name that one study has.
        workspace: Where runs and studies are looked up.

    Raises:
        UserError: There is no such model, or several are meant; it lists those that there are.
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
    from voxsiam.orchestration.tracking.run_store import download_model
    from voxsiam.orchestration.workspace import Workspace

    # Not into the workspace: it may be one that can only be read.
    passing = tempfile.mkdtemp(prefix="voxsiam-model-")
    atexit.register(shutil.rmtree, passing, ignore_errors=True)
    home = Workspace(workspace, may_write=False)
    return download_model(home.tracking_uri, run_id, Path(passing) / run_id)


def find_trial(text: str, workspace: Path, thing: str, option: str) -> "PlannedRun":
    """Find a finished row of a study.

    Args:
        text: STUDY/ROW or STUDY/ROW/SEED.
        workspace: Where studies are looked up.
        thing: What the row is wanted for.
        option: Where the user named it.

    Raises:
        UserError: There is no such row, or it has not finished; it lists those that have.
    """
    from voxsiam.orchestration.studies.ledger import choose_among, find_ledgers
    from voxsiam.orchestration.workspace import Workspace

    missing = f"There is no {thing} '{text}': no folder, no MLflow run id, and no row of a study."
    if not workspace.is_dir():
        raise UserError(
            missing,
            where=f"{option}; looked for a workspace in {workspace.expanduser().resolve()}",
            fix="name its workspace with --workspace, or its folder; or train one: voxsiam demo",
        )
    home = Workspace(workspace, may_write=False)
    ledgers = find_ledgers(home)
    study, _, rest = text.partition("/")
    if any(study in (ledger.plan.study, ledger.plan.study_id) for ledger in ledgers):
        ledger = choose_among(ledgers, study, str(home.root))
        planned = _trial_named(rest, ledger)
        if planned is not None:
            _require_finished(ledger, planned, thing)
            return planned
    raise UserError(missing, where=f"{option}, workspace {home.root}", fix=_available(ledgers))


def _trial_named(text: str, ledger: "Ledger") -> "PlannedRun | None":
    """Return the trial that ROW or ROW/SEED names; a single row needs no name."""
    row, _, last = text.rpartition("/")
    row, seed = (row, int(last)) if row and last.isdecimal() else (text, 0)
    rows = {planned.row for planned in ledger.plan.trials}
    if not text and len(rows) == 1:
        (row,) = rows
    named = {(planned.row, planned.run.seed): planned for planned in ledger.plan.trials}
    return named.get((row, seed))


def _require_finished(ledger: "Ledger", planned: "PlannedRun", thing: str) -> None:
    state = ledger.state(planned)
    if state != "finished":
        raise UserError(
            f"'{planned.name}' of {ledger.plan.study} has no {thing} yet: it is {state}.",
            where=str(ledger.path.parent),
            fix=f"voxsiam study resume {ledger.plan.study_id}",
        )


def _available(ledgers: list["Ledger"]) -> str:
    names = [ledger.plan.study for ledger in ledgers]
    found = [
        f"'{_shortest(ledger.plan, names)}/{planned.row}/{planned.run.seed}'"
        for ledger in ledgers
        for planned in ledger.plan.trials
        if ledger.state(planned) == "finished"
    ]
    if not found:
        return "train one (voxsiam study run table3), or name its folder"
    more = f" and {len(found) - _MAX_LISTED} more" if len(found) > _MAX_LISTED else ""
    return f"there are {', '.join(found[:_MAX_LISTED])}{more}"


def _shortest(plan: "StudyPlan", names: list[str]) -> str:
    """Return what names a study: that of its table where no other has it."""
    return plan.study if names.count(plan.study) == 1 else plan.study_id
