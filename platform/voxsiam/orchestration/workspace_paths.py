"""Paths as the files of a workspace keep them: from its own folder, so that it can be moved.

Up to version 0.1.0 they were kept whole. Those are found again where the workspace lies now: what
lay in its earlier place is read from no other.
"""

from pathlib import Path


def kept_path(path: Path, root: Path) -> Path:
    """Return a path as a file of the workspace keeps it: from its folder, if it lies inside."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def found_path(kept: Path, root: Path, earlier: Path | None = None) -> Path:
    """Return where a kept path lies now.

    Args:
        kept: As a file of the workspace says.
        earlier: Where it lay when paths were kept whole.
    """
    if not kept.is_absolute():
        return root / kept
    if earlier is not None and kept.is_relative_to(earlier):
        return root / kept.relative_to(earlier)
    return kept
