"""A workspace from Python: which studies and sweeps it holds, and each study by its name."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from voxsiam.orchestration.studies.ledger import choose_ledger
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.orchestration.workspace import Workspace
from voxsiam_api.opened_study import OpenedStudy, open_study
from voxsiam_dashboards.store.study_list import StudyEntry, list_studies


class OpenedWorkspace:
    """What a workspace holds; it is read anew at each question, and nothing is written."""

    def __init__(self, folder: Workspace) -> None:
        self._folder = folder

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._folder.root

    @property
    def studies(self) -> pd.DataFrame:
        """One line for each study and sweep, the newest first; the columns are StudyEntry's."""
        found = list_studies(RunReader(self._folder.tracking_uri))
        columns = list(StudyEntry.__dataclass_fields__)
        return pd.DataFrame([asdict(entry) for entry in found], columns=columns)

    def study(self, name: str) -> OpenedStudy:
        """Read a study by its id, or by the name of its table where there is one of that table.

        Raises:
            UserError: There is none of that name, or several.
        """
        return open_study(choose_ledger(self._folder, name), self._folder)


def open_workspace(path: Path | str = "voxsiam-workspace") -> OpenedWorkspace:
    """Open a workspace to read from it.

    Raises:
        UserError: There is none.
    """
    return OpenedWorkspace(Workspace(Path(path), may_write=False))
