"""The address of an sqlite file, as SQLAlchemy reads it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

_SCHEME = "sqlite:///"
_PLAIN = "".join(chr(code) for code in range(32, 127) if chr(code) not in "%?")


def sqlite_address(file: Path) -> str:
    """Write the address of a file: a question mark would begin options, and %41 mean an A."""
    path = str(file)
    return _SCHEME + (quote(path, safe=_PLAIN) if set("%?") & set(path) else path)


def sqlite_file(address: str) -> Path | None:
    """Return the file of an sqlite address; None for other stores."""
    if not address.startswith(_SCHEME):
        return None
    return Path(unquote(address.removeprefix(_SCHEME).partition("?")[0]))


@contextmanager
def without_stray_folder(address: str) -> Iterator[None]:
    """Remove the folder that MLflow makes of an address with encoded characters, as it is spelt.

    Args:
        address: Of a store; nothing is done where it is no such file, or the folder was there.
    """
    file, spelt = sqlite_file(address), Path(address.partition(":///")[2]).parent
    is_stray = file is not None and spelt != file.parent and not spelt.exists()
    try:
        yield
    finally:
        if is_stray:
            with suppress(OSError):  # there is none, or somebody has put something into it
                spelt.rmdir()
