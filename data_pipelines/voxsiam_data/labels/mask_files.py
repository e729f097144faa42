"""Files that hold one structure each, named after it: `liver.nii.gz`, `kidney_left.nii.gz`."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.volumes.volume_file import stem_of
from voxsiam_data.labels.organ_names import class_name, organ_value, refuse_misspelt
from voxsiam_data.labels.protocols import PROTOCOLS, LabelProtocol

_KNOWN = {
    class_name(name): value
    for protocol in ("totalsegmentator-v1", "totalsegmentator-v2")
    for value, name in PROTOCOLS[protocol].names.items()
}
"""The order of what the tools write: that of the newer version's label values."""

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
    """Tell whether files are masks of structures."""
    stems = [stem_of(path) for path in files]
    return bool(stems) and all(map(is_structure, stems))


def structure_masks(files: Iterable[Path]) -> dict[str, Path]:
    """Sort masks by the class of their structure."""
    found: dict[str, Path] = {}
    for path in files:
        refuse_misspelt(stem_of(path), path)
        organ = class_name(stem_of(path))
        if organ in found:
            raise UserError(
                f"It is a mask of the same organ as {found[organ].name}.",
                where=str(path),
                fix="remove one of the two",
            )
        found[organ] = path
    return found


def mask_protocol(masks: Iterable[Mapping[str, Path]]) -> LabelProtocol:
    """Count the structures of masks, as a label map of all of them would: known ones first."""
    named = {organ for each in masks for organ in each}
    ordered = sorted(named, key=lambda organ: (_KNOWN.get(organ, len(_KNOWN) + 1), organ))
    return LabelProtocol("masks", "a file for each organ", dict(enumerate(ordered, start=1)))
