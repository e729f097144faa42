"""What the values of a label map mean, in each data set and tool that labels these organs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

from voxsiam.errors import UserError, nearest_name
from voxsiam.types import ORGANS
from voxsiam.volumes.label_values import scale_advice
from voxsiam.volumes.nifti import Scan
from voxsiam.volumes.orientation import axis_order, to_canonical
from voxsiam_data.labels.organ_names import organ_value
from voxsiam_data.labels.value_lists import (
    AMOS22,
    BTCV,
    FLARE22,
    TOTALSEGMENTATOR_V1,
    TOTALSEGMENTATOR_V2,
    WORD,
)

_UNKNOWN = 255
_LISTED = 5


@dataclass(frozen=True)
class LabelProtocol:
    """The meaning of each value.

    Attributes:
        name: As on the command line.
        title: What uses it.
        names: Value -> structure; background (0) is not among them.
    """

    name: str
    title: str
    names: Mapping[int, str]

    @property
    def values(self) -> dict[int, int]:
        """Value -> 0 background, 1..8 organs; every known value is there."""
        return {0: 0} | {value: organ_value(name) or 0 for value, name in self.names.items()}

    @property
    def lacks(self) -> tuple[str, ...]:
        """Organs of ours that it has no value for."""
        present = set(self.values.values())
        return tuple(o for value, o in enumerate(ORGANS, start=1) if value not in present)


def protocol(name: str) -> LabelProtocol:
    """Find a protocol by its name, or say which one was meant."""
    if name not in PROTOCOLS:
        raise UserError(
            f"there is no label protocol '{name}'",
            where="label protocol",
            fix=nearest_name(name, tuple(PROTOCOLS)),
        )
    return PROTOCOLS[name]


def organ_labels(scan: Scan, known: LabelProtocol) -> UInt8[np.ndarray, "d h w"]:
    """Rename the values of a label map to ours, in d h w on its own grid.

    A label map without any organ is fine: a prediction may have found nothing.

    Raises:
        UserError: It holds a value that the protocol does not know, such as 0.9999, -1 or 255.
    """
    canonical = to_canonical(scan.array, axis_order(scan.affine))
    size = max(known.names) + 1
    table = np.full(size + 1, _UNKNOWN, dtype=np.uint8)
    for value, organ in known.values.items():
        table[value] = organ
    renamed = np.empty(canonical.shape, dtype=np.uint8)
    # Slice by slice: an index takes eight bytes for each voxel.
    for source, target in zip(canonical, renamed, strict=True):
        whole = (source >= 0) & (source < size)
        if source.dtype.kind == "f":
            whole &= source == np.floor(source)
        target[...] = table[np.where(whole, source, size).astype(np.intp)]
    unknown = renamed == _UNKNOWN
    if unknown.any():
        raise _unknown_values(scan, canonical[unknown], known)
    return renamed


def _unknown_values(scan: Scan, found: Shaped[np.ndarray, " n"], known: LabelProtocol) -> UserError:
    values, counts = np.unique(found, return_counts=True)
    first = zip(values[:_LISTED].tolist(), counts[:_LISTED].tolist(), strict=True)
    listed = ", ".join(f"{value:.9g} ({count} voxels)" for value, count in first)
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return UserError(
        f"Label values that '{known.name}' does not know: {listed}{more}.",
        where=str(scan.path),
        fix=scale_advice(scan)
        or f"it knows the whole numbers 0 to {max(known.names)}; other protocols: "
        + ", ".join(name for name in PROTOCOLS if name != known.name),
    )


def _numbered(*names: str) -> dict[int, str]:
    return dict(enumerate(names, start=1))


_ALL = (
    LabelProtocol("voxsiam", "VoxSiam's own label maps and predictions", _numbered(*ORGANS)),
    LabelProtocol(
        "zenodo", "multi-organ references of Zenodo 1169361", _numbered(*BTCV, "duodenum")
    ),
    LabelProtocol("btcv", "BTCV as the challenge published it", _numbered(*BTCV)),
    LabelProtocol("amos22", "AMOS 2022", _numbered(*AMOS22)),
    LabelProtocol("flare22", "FLARE 2022", _numbered(*FLARE22)),
    LabelProtocol(
        "totalsegmentator-v1", "TotalSegmentator 1, 'total'", _numbered(*TOTALSEGMENTATOR_V1)
    ),
    LabelProtocol(
        "totalsegmentator-v2", "TotalSegmentator 2, 'total'", _numbered(*TOTALSEGMENTATOR_V2)
    ),
    LabelProtocol("word", "WORD", _numbered(*WORD)),
)

PROTOCOLS: Mapping[str, LabelProtocol] = {one.name: one for one in _ALL}
