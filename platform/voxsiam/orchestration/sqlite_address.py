"""The address of an sqlite file, as SQLAlchemy reads it."""

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
