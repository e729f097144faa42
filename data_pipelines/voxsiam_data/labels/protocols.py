"""What the values of a label map mean, and which of its structures become classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from voxsiam.errors import UserError, nearest_name, refusal
from voxsiam.types import MOST_ORGANS, PAPER_ORGANS
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.label_values import renamed_label
from voxsiam.volumes.nifti import Scan
from voxsiam_data.labels.organ_names import class_name, organ_value
from voxsiam_data.labels.value_lists import (
    AMOS22,
    BTCV,
    FLARE22,
    TOTALSEGMENTATOR_V1,
    TOTALSEGMENTATOR_V2,
    WORD,
)

OrganChoice = Literal["paper", "all"] | tuple[str, ...]
"""Which structures become classes: the paper's eight organs, all that are labelled, or those."""


@dataclass(frozen=True)
class LabelMeaning:
    """How the label maps of a data set become ours.

    Attributes:
        values: Value in the file -> 0 background, 1.. organs; every known value is there.
        organs: The classes.
    """

    values: Mapping[int, int]
    organs: tuple[str, ...]

    def map(self, path: Path, place: Literal["by_header", "by_hu"] = "by_header") -> LabelMap:
        """Describe a label map."""
        return LabelMap(path=path, values=self.values, organs=self.organs, place=place)


@dataclass(frozen=True)
class LabelProtocol:
    """The meaning of each value.

    Attributes:
        name: As on the command line.
        title: What uses it.
        names: Value -> structure; background (0) is not among them.
        is_own: Of the data set itself: then all that it names become classes, unless others are
            asked for. Of a known data set or tool the paper's organs do.
    """

    name: str
    title: str
    names: Mapping[int, str]
    is_own: bool = False

    @property
    def structures(self) -> tuple[str, ...]:
        """All that it names as classes are called, in the order of the values."""
        names = dict.fromkeys(class_name(self.names[value]) for value in sorted(self.names))
        named = tuple(name for name in names if name != "background")
        # Whoever labels just the paper's organs has the paper's classes, in whatever order.
        return PAPER_ORGANS if set(named) == set(PAPER_ORGANS) else named

    def classes(self, choice: OrganChoice | None = None) -> tuple[str, ...]:
        """Choose the classes, in their order.

        Raises:
            UserError: One that is asked for is not among its structures, or comes twice.
        """
        choice = choice or ("all" if self.is_own else "paper")
        if choice == "paper":
            return PAPER_ORGANS
        structures = self.structures
        return structures if choice == "all" else _asked(choice, structures, self.name)

    def meaning(self, choice: OrganChoice | None, where: Path) -> LabelMeaning:
        """Say what its values become under a choice of classes.

        Raises:
            UserError: The choice has no organ that it labels, or more than labels can tell apart.
        """
        organs = self.classes(choice)
        values = self.values_for(organs)
        if not any(values.values()):
            raise refusal(
                where,
                "None of its labels is one of the organs that are looked for.",
                f"name the labels: {', '.join(organs[:8])}; or take them as they are: --organs all",
            )
        if len(organs) > MOST_ORGANS:
            raise refusal(
                where,
                f"{len(organs)} organs and the background are more than 255 classes.",
                "choose fewer: --organs NAME,NAME,...",
            )
        return LabelMeaning(values, organs)

    def values_for(self, organs: tuple[str, ...] = PAPER_ORGANS) -> dict[int, int]:
        """Value -> 0 background, 1.. organs; every known value is there."""
        named = self.names.items()
        return {0: 0} | {value: organ_value(name, organs) or 0 for value, name in named}

    def lacking(self, organs: tuple[str, ...] = PAPER_ORGANS) -> tuple[str, ...]:
        """Organs that it has no value for."""
        present = set(self.values_for(organs).values())
        return tuple(o for value, o in enumerate(organs, start=1) if value not in present)


def _asked(choice: tuple[str, ...], structures: tuple[str, ...], called: str) -> tuple[str, ...]:
    """Find the structures that are asked for; the order is that of the question."""
    found: list[str] = []
    for name in choice:
        value = organ_value(name, structures)
        if value is None:
            raise UserError(
                f"the labels of '{called}' hold no '{name}'",
                where="--organs",
                fix=nearest_name(name, structures),
            )
        found.append(structures[value - 1])
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"'{twice}' is named twice", where="--organs", fix="name it once")
    return tuple(found)


def protocol(name: str) -> LabelProtocol:
    """Find a protocol by its name, or say which one was meant."""
    if name not in PROTOCOLS:
        raise UserError(
            f"there is no label protocol '{name}'",
            where="label protocol",
            fix=nearest_name(name, tuple(PROTOCOLS)),
        )
    return PROTOCOLS[name]


def organ_labels(
    scan: Scan, known: LabelProtocol, organs: tuple[str, ...] = PAPER_ORGANS
) -> UInt8[np.ndarray, "d h w"]:
    """Rename the values of a label map to ours, in d h w on its own grid; none need be in it."""
    others = ", ".join(name for name in PROTOCOLS if name != known.name)
    return renamed_label(
        scan,
        known.values_for(organs),
        may_be_empty=True,
        called=known.name,
        advice=f"other protocols: {others}",
    )


_TITLES_AND_STRUCTURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "voxsiam": ("VoxSiam's own label maps and predictions", PAPER_ORGANS),
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
