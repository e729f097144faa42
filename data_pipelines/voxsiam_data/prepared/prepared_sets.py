"""The prepared sets that this machine sees, by what they hold."""

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

from voxsiam.errors import UserError
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared


class PreparedSets:
    """Finds a prepared set by its fingerprint; several threads may ask at once.

    Args:
        folders: Names the folders where one may lie; asked again as long as a set is not found.
    """

    def __init__(self, folders: Callable[[], Iterable[Path]]) -> None:
        self._folders = folders
        self._known: dict[str, PreparedSet] = {}
        self._lock = Lock()

    def find(self, fingerprint: str) -> PreparedSet | None:
        """Return the set of this fingerprint; None where no folder holds it."""
        with self._lock:
            if fingerprint not in self._known:
                self._look(fingerprint)
            return self._known.get(fingerprint)

    def _look(self, fingerprint: str) -> None:
        for folder in dict.fromkeys(self._folders()):
            try:
                found = open_prepared(folder)
            except (UserError, OSError):
                continue  # moved, closed to us, or of another version: as good as absent
            self._known[found.fingerprint] = found
            if found.fingerprint == fingerprint:
                return
