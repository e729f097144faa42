"""What the values of a label map mean, in each data set and tool that labels these organs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from voxsiam.errors import UserError, nearest_name
from voxsiam.types import ORGANS
from voxsiam.volumes.label_values import renamed_label
from voxsiam.volumes.nifti import Scan
from voxsiam_data.labels.organ_names import organ_value
from voxsiam_data.labels.value_lists import (
    AMOS22,
    BTCV,
    FLARE22,
    TOTALSEGMENTATOR_V1,
    TOTALSEGMENTATOR_V2,
    WORD,
)


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
    """Rename the values of a label map to ours, in d h w on its own grid; none need be in it."""
    others = ", ".join(name for name in PROTOCOLS if name != known.name)
    return renamed_label(
        scan,
        known.values,
        may_be_empty=True,
        called=known.name,
        advice=f"other protocols: {others}",
    )


_TITLES_AND_STRUCTURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "voxsiam": ("VoxSiam's own label maps and predictions", ORGANS),
    "zenodo": ("multi-organ references of Zenodo 1169361", (*BTCV, "duodenum")),
    "btcv": ("BTCV as the challenge published it", BTCV),
    "amos22": ("AMOS 2022", AMOS22),
    "flare22": ("FLARE 2022", FLARE22),
    "totalsegmentator-v1": ("TotalSegmentator 1, 'total'", TOTALSEGMENTATOR_V1),
    "totalsegmentator-v2": ("TotalSegmentator 2, 'total'", TOTALSEGMENTATOR_V2),
    "word": ("WORD", WORD),
}

PROTOCOLS: Mapping[str, LabelProtocol] = {
    name: LabelProtocol(name, title, dict(enumerate(structures, start=1)))
    for name, (title, structures) in _TITLES_AND_STRUCTURES.items()
}
