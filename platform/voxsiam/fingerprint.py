"""Settings by their hash and by their dotted names."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(value: object) -> str:
    """Hash any plain JSON value; a value without a stable form raises TypeError."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested settings into dotted names, as overrides have them."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        flat |= flatten(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return flat
