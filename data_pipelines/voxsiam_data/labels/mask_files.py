"""Files that hold one structure each, named after it: `liver.nii.gz`, `kidney_left.nii.gz`."""

import re
from collections.abc import Iterable
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.volume_file import stem_of
from voxsiam_data.labels.organ_names import organ_value, refuse_misspelt
from voxsiam_data.labels.protocols import PROTOCOLS

_STRUCTURES = frozenset(
    name.lower() for protocol in PROTOCOLS.values() for name in protocol.names.values()
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z _-]*")
"""A name with a number is that of a case: the Decathlon calls them liver_0 and spleen_12."""


def is_organ(stem: str) -> bool:
    """Tell whether a name is that of one of the eight organs."""
    return _PLAIN.fullmatch(stem) is not None and organ_value(stem) is not None


def is_structure(stem: str) -> bool:
    """Tell whether a name is that of anything that a known tool writes masks of."""
    return is_organ(stem) or stem.lower() in _STRUCTURES


def are_masks(files: Iterable[Path]) -> bool:
    """Tell whether files are masks of structures, some of our organs among them."""
    stems = [stem_of(path) for path in files]
    return any(map(is_organ, stems)) and all(map(is_structure, stems))


def organ_masks(files: Iterable[Path]) -> dict[int, Path]:
    """Sort masks by our value of their organ; those of other structures are passed over."""
    found: dict[int, Path] = {}
    for path in files:
        refuse_misspelt(stem_of(path), path)
        organ = organ_value(stem_of(path))
        if organ in found:
            raise UserError(
                f"It is a mask of the same organ as {found[organ].name}.",
                where=str(path),
                fix="remove one of the two",
            )
        if organ:
            found[organ] = path
    return found
