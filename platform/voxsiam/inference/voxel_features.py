"""Features of some test voxels, kept to draw the feature space (Fig. 3).

Which voxels are kept follows from the case and the level alone, so that every method and seed
shows the same ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float16, Int32, UInt8
from torch import Tensor

from voxsiam.losses.coarse_labels import coarse_labels
from voxsiam.losses.voxel_sampling import draw_evenly, stream_seed, voxel_keys
from voxsiam.types import Volume

LEVELS = 3
"""The deepest of the encoder: those that the feature loss may cover."""

VOXELS_PER_CLASS = 40
"""Of a level over all test cases, about: every case gives as many."""

_LARGEST = torch.finfo(torch.float16).max


@dataclass(frozen=True, eq=False)
class LevelFeatures:
    """Voxels of one encoder level.

    Attributes:
        classes: Class of each voxel on the level's grid: 0 background, 1.. organs.
        cases: Which case each voxel is of: its place in the list of cases.
    """

    features: Float16[np.ndarray, "n c"]
    classes: UInt8[np.ndarray, " n"]
    cases: Int32[np.ndarray, " n"]


CaseFeatures = tuple[LevelFeatures, ...]
"""The levels of one case, deepest first."""


def draw_features(
    features: Sequence[Float[Tensor, "1 _c _d _h _w"]],
    strides: Sequence[int],
    volume: Volume,
    num_cases: int,
) -> CaseFeatures:
    """Keep some voxels of each class on the deepest levels of one case.

    Args:
        features: Of the encoder levels, deepest first.
        strides: Input voxels per voxel of each level along an axis.
        volume: The case; a class that vanishes on a level's grid has no voxel there, nor has the
            background where it may be an organ that nobody annotated.
        num_cases: The cases that share the budget of a class.
    """
    budget = -(-VOXELS_PER_CLASS // num_cases)
    levels = zip(features[:LEVELS], strides[:LEVELS], strict=True)
    return tuple(
        _draw_level(level, feature, stride, volume, budget)
        for level, (feature, stride) in enumerate(levels)
    )


def join_cases(by_case: Mapping[str, CaseFeatures]) -> CaseFeatures:
    """Put the voxels of all cases together, level by level, in the order of the cases."""
    places = np.arange(len(by_case), dtype=np.int32)
    return tuple(
        LevelFeatures(
            features=np.concatenate([part.features for part in parts]),
            classes=np.concatenate([part.classes for part in parts]),
            cases=np.repeat(places, [len(part.classes) for part in parts]),
        )
        for parts in zip(*by_case.values(), strict=True)
    )


def _draw_level(
    level: int, feature: Float[Tensor, "1 c d h w"], stride: int, volume: Volume, budget: int
) -> LevelFeatures:
    d, h, w = feature.shape[2:]
    labels, num_classes = torch.from_numpy(volume.label)[None], len(volume.organs) + 1
    classes = coarse_labels(labels, stride, (d, h, w), "nearest", num_classes).flatten()
    keys = voxel_keys(stream_seed("feature space", level, volume.case_id), len(classes))
    chosen = draw_evenly(keys, classes, num_classes, num_classes * budget)
    if len(volume.annotated) < len(volume.organs):
        # The background may be an organ that nobody annotated.
        chosen = chosen[classes[chosen] > 0]
    rows = feature[0].flatten(1)[:, chosen.to(feature.device)].T
    kept = rows.float().clamp(-_LARGEST, _LARGEST).half().cpu().numpy()
    return LevelFeatures(
        features=kept,
        classes=classes[chosen].byte().numpy(),
        cases=np.zeros(len(chosen), np.int32),
    )
