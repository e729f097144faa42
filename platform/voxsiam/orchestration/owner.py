"""Whose a study, a job or a run is, as the people who share a cluster see it. It is no login."""

import getpass
import os
import re
import socket

from voxsiam.errors import UserError

OWNER_SETTING = "VOXSIAM_OWNER"
_NAME = re.compile(r"[\w.@+ -]{1,80}")


def this_owner() -> str:
    """Return who gives this command: a name that was given, if it is one, or user@host."""
    given = os.environ.get(OWNER_SETTING)
    if not given:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user that has no name
            user = str(os.getuid())
        return f"{user}@{socket.gethostname()}"
    if not _NAME.fullmatch(given):
        raise UserError(
            f"'{given:.80}' is no name of an owner",
            where=f"--owner or {OWNER_SETTING}",
            fix="give at most 80 letters, digits, spaces or any of . @ + - _",
        )
    return given
