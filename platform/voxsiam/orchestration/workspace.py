"""Where everything that a run writes is kept, in a folder that can be moved.

Its files keep paths from its own folder. Up to version 0.1.0 they kept whole ones. Those are found
again where the workspace lies now: what lay in its earlier place is read from no other.
"""

import os
import shlex
import uuid
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from voxsiam.errors import UserError
from voxsiam.small_files import read_text

CACHE = "cache"
_SCHEME = "sqlite:///"


def require_no_secret(tracking_uri: str) -> None:
    """Refuse an address of MLflow that may hold a password or a token, without showing it.

    A server's address has no name, no query and no fragment: whatever stands there opens a door.

    Raises:
        UserError: It does, or it cannot be taken apart.
    """
    try:
        parts = urlsplit(tracking_uri)
        served = parts.scheme in ("http", "https")
        named = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        held = parts.password or any("password" in name or "token" in name for name in named)
        held = held or (served and (parts.username or parts.query or parts.fragment))
    except ValueError:
        raise UserError(
            "the tracking address cannot be read",
            where="MLFLOW_TRACKING_URI",
            fix="look for a typing error; a server's is http://HOST:5000",
        ) from None
    if held:
        raise UserError(
            "the tracking address holds a password or a token",
            where="MLFLOW_TRACKING_URI",
            fix="leave it out and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            "MLFLOW_TRACKING_TOKEN",
        )


def sqlite_address(file: Path) -> str:
    """Write the address of a file: a question mark would begin options, and %41 mean an A."""
    return _SCHEME + str(file).replace("%", "%25").replace("?", "%3F")


def sqlite_file(address: str) -> Path | None:
    """Return the file of an sqlite address; None for other stores."""
    if not address.startswith(_SCHEME):
        return None
    return Path(unquote(address.removeprefix(_SCHEME).partition("?")[0]))


class Workspace:
    """One folder: `mlflow.db`, `artifacts/`, `cache/`, `runs/`, `studies/`, `sweeps/`, `reports/`.

    Args:
        root: Created when absent; on a cluster a path that all nodes share.
        may_write: Else it is only looked at: it must be there, and need not be writable.

    Attributes:
        artifacts: Root of MLflow's artifacts when the store is our own.
        tracking: What a tracking server keeps that is started in this workspace.
        cache: Phantoms and prepared sets.
        ray: What Ray's libraries write for themselves.
        reports: Of each study in a folder of its id, and a link of its table's name.

    Raises:
        UserError: The folder cannot be written, or is not there to be looked at.
    """

    def __init__(self, root: Path, *, may_write: bool = True) -> None:
        self.root = root.expanduser().resolve()
        self.artifacts, self.tracking = self.root / "artifacts", self.root / "tracking"
        self.cache, self.ray = self.root / CACHE, self.root / "ray"
        self.runs, self.reports = self.root / "runs", self.root / "reports"
        if may_write:
            self._require_writable()
        elif not self.root.is_dir():
            raise UserError(
                "there is no workspace here",
                where=f"looked for {self.root}",
                fix="name the folder of one with --workspace, or make one: voxsiam demo",
            )

    def _require_writable(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"the workspace cannot be written: {error.strerror}",
                where=str(self.root),
                fix="choose another folder with --workspace",
            ) from None

    @property
    def tracking_uri(self) -> str:
        """MLflow's address: MLFLOW_TRACKING_URI where it is set, else our own sqlite file.

        Raises:
            UserError: It holds a secret, which would end in logs, reports and error messages.
        """
        given = os.environ.get("MLFLOW_TRACKING_URI", "")
        require_no_secret(given)
        return given or sqlite_address(self.root / "mlflow.db")

    @property
    def identity(self) -> str:
        """What tells it from other workspaces, wherever it is moved; made when first asked for."""
        file, new = self.root / ".identity", self.root / f".identity-{os.getpid()}"
        if not file.exists():
            new.write_text(uuid.uuid4().hex)
            with suppress(FileExistsError):  # another command was faster: its one counts
                os.link(new, file)
            new.unlink()
        return read_text(file)

    @property
    def quoted(self) -> str:
        """Its folder as it is given to a shell: it may have spaces in its name."""
        return shlex.quote(str(self.root))

    def run(self, run_id: str) -> Path:
        """Folder of one run, named by its identity."""
        return self.runs / run_id

    def study(self, study_id: str) -> Path:
        """Folder of one study's ledger."""
        return self.root / "studies" / study_id

    def sweep(self, sweep_id: str) -> Path:
        """Folder of one sweep's ledger."""
        return self.root / "sweeps" / sweep_id

    def report(self, study_id: str) -> Path:
        """Folder of a study's, or a sweep's, report."""
        return self.reports / study_id


def kept_path(path: Path, root: Path) -> Path:
    """Return a path as a file of the workspace keeps it: from its folder, if it lies inside."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def found_path(kept: Path, root: Path, earlier: Path | None = None) -> Path:
    """Return where a kept path lies now; earlier is where all lay when paths were kept whole."""
    if not kept.is_absolute():
        return root / kept
    if earlier is not None and kept.is_relative_to(earlier):
        return root / kept.relative_to(earlier)
    return kept
