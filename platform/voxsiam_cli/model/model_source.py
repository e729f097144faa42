"""What `--model` may name: a folder, an MLflow run, or a row of a study."""

import atexit
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.orchestration.runs.plan import PlannedRun
from voxsiam.orchestration.studies.ledger import Ledger, choose_ledger, find_ledgers
from voxsiam.orchestration.workspace import Workspace

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MAX_LISTED = 8


def find_model(text: str, workspace: Path) -> Path:
    """Return the model folder that a `--model` means.

    Args:
        text: A folder, an MLflow run id (32 hexadecimal digits), or STUDY/ROW or STUDY/ROW/SEED
            as in `table3/feature (3)/1`; the seed is 0 where none is given, and the name of a
            study with a single row will do. STUDY is an id, or a name that one study has.
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

    # Not into the workspace: it may be one that can only be read.
    passing = tempfile.mkdtemp(prefix="voxsiam-model-")
    atexit.register(shutil.rmtree, passing, ignore_errors=True)
    home = Workspace(workspace, may_write=False)
    return download_model(home.tracking_uri, run_id, Path(passing) / run_id)


def find_trial(text: str, workspace: Path, thing: str, option: str) -> PlannedRun:
    """Find a finished row of a study.

    Args:
        text: STUDY/ROW or STUDY/ROW/SEED.
        option: Where the user named it.

    Raises:
        UserError: There is no such row, or it has not finished; it lists those that have.
    """
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
        ledger = choose_ledger(home, study, ledgers)
        planned = _trial_named(rest, ledger)
        if planned is not None:
            state = ledger.state(planned)
            if state == "finished":
                return planned
            raise UserError(
                f"'{planned.name}' of {ledger.plan.study} has no {thing} yet: it is {state}.",
                where=str(ledger.path.parent),
                fix=f"voxsiam study resume {ledger.plan.study_id}",
            )
    raise UserError(missing, where=f"{option}, workspace {home.root}", fix=_available(ledgers))


def _trial_named(text: str, ledger: Ledger) -> PlannedRun | None:
    """Return the trial that ROW or ROW/SEED names; a single row needs no name."""
    row, _, last = text.rpartition("/")
    row, seed = (row, int(last)) if row and last.isdecimal() else (text, 0)
    rows = {planned.row for planned in ledger.plan.trials}
    if not text and len(rows) == 1:
        (row,) = rows
    named = {(planned.row, planned.run.seed): planned for planned in ledger.plan.trials}
    return named.get((row, seed))


def _available(ledgers: list[Ledger]) -> str:
    names = Counter(ledger.plan.study for ledger in ledgers)
    found: list[str] = []
    for ledger in ledgers:
        plan = ledger.plan
        name = plan.study if names[plan.study] == 1 else plan.study_id
        found += [f"'{name}/{planned.row}/{planned.run.seed}'" for planned in ledger.finished()]
    if not found:
        return "train one (voxsiam study run table3), or name its folder"
    more = f" and {len(found) - _MAX_LISTED} more" if len(found) > _MAX_LISTED else ""
    return f"there are {', '.join(found[:_MAX_LISTED])}{more}"
