"""What went wrong in a run and was survived: a line each, in the run's folder."""

from contextlib import suppress
from pathlib import Path

from voxsiam.regular_files import open_regular, open_to_append


def note_incident(file: Path, text: str) -> None:
    """Add a line; on a full disk the run goes on without it."""
    with suppress(OSError), open_to_append(file) as stream:
        stream.write(f"{' '.join(text.split())}\n".encode(errors="backslashreplace"))


class IncidentReader:
    """Reads what is added to a run's incidents from now on; the file need not be there yet."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = file.stat().st_size if file.exists() else 0

    def new(self) -> list[str]:
        """Return the whole lines that were added since the last call."""
        try:
            with open_regular(self._file) as stream:
                stream.seek(self._read)
                added = stream.read()
        except OSError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace").splitlines()
