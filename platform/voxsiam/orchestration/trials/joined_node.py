"""A node that has joined after the checks: whoever is to train there looks first."""

import socket
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster.node_view import Versions


def require_like_the_others(folder: Path, release: str) -> None:
    """Refuse to train on a node that is not what the study's nodes were when it began.

    Args:
        folder: Of the study's, on storage that all nodes share.

    Raises:
        UserError: It has other versions, or does not see the folder.
    """
    ours, where = Versions.here().release, socket.gethostname()
    if ours != release:
        raise UserError(
            f"a node has joined that differs in versions ({ours}) from the others ({release})",
            where=where,
            fix="install the same on all nodes (`make install`, or one image), or take it out",
        )
    if not folder.is_dir():
        raise UserError(
            f"a node has joined that does not see {folder}",
            where=where,
            fix="mount there what the other nodes share, at the same path, or take it out",
        )
