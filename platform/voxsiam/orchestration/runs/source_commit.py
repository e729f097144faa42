"""The commit that the code comes from."""

import subprocess
from pathlib import Path

import voxsiam

COMMIT_FILE = "COMMIT"
"""Lies in the package where it was sent to a cluster: there is no checkout around it."""


def source_commit() -> str | None:
    """Return the commit of the checkout, or of the one that this code was sent from."""
    folder = Path(voxsiam.__file__).parent
    sent = folder / COMMIT_FILE
    if sent.exists():
        return sent.read_text()
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        # The image of a cluster has no git, and nothing to ask it about.
        return None
    return found.stdout.strip() if found.returncode == 0 else None
