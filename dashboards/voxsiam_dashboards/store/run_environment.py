"""What a run was computed with, as its files tell it; files of any content are taken."""

from collections.abc import Mapping
from typing import Any


def environment_of(manifest: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, str]:
    """Name versions, system and device: as the manifest has them, else as they were recorded.

    Args:
        manifest: Content of the run's `manifest.json`; empty where there is none.
        recorded: Content of `config/environment.json`, written before the training.
    """
    found = manifest.get("environment")
    told = dict(found) if isinstance(found, Mapping) else dict(recorded)
    libraries = told.pop("libraries", {})
    named = told | (dict(libraries) if isinstance(libraries, Mapping) else {})
    return {str(name): str(value) for name, value in sorted(named.items())}


def workers_of(manifest: Mapping[str, Any], parameters: Mapping[str, str]) -> int | None:
    """Count the DDP workers: as the manifest has them, else as they were planned."""
    told = str(manifest.get("workers", parameters.get("workers", "")))
    return int(told) if told.isdecimal() and int(told) > 0 else None
