"""Which voxels of a batch enter the feature loss, level by level: the same on one rank and many."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from voxsiam.collective import concatenate_over_ranks
from voxsiam.losses.coarse_labels import cell_purity, coarse_labels, pick
from voxsiam.losses.config import FeatureLossConfig
from voxsiam.losses.voxel_sampling import Candidates, draw_voxels, stream_seed, voxel_keys
from voxsiam.training.batch import Batch, Moment
from voxsiam.types import Shape


@dataclass(frozen=True)
class LayerVoxels:
    """One encoder level of this rank's part of a batch, voxel by voxel.

    Attributes:
        candidates: Class of each voxel and its place in the draw.
        chosen: Indices of the voxels drawn.
        second_keys: Gives the voxels' places in a second, independent draw.
    """

    features: Float[Tensor, "n c"]
    candidates: Candidates
    chosen: Int[Tensor, " m"]
    second_keys: Callable[[], Int[Tensor, " n"]]


@dataclass(frozen=True)
class VoxelDraw:
    """Draws from the levels of one batch.

    Attributes:
        logits: Current scores on the input grid, unannotated organs merged into the background;
            only where they are wrong counts.
    """

    batch: Batch
    logits: Float[Tensor, "b k d h w"]
    moment: Moment
    config: FeatureLossConfig

    def level(self, layer: int, feature: Float[Tensor, "b c d2 h2 w2"], stride: int) -> LayerVoxels:
        """Bring labels and predictions to the grid of a level and draw its voxels.

        Args:
            layer: Number of the level, 0 being the deepest.
            stride: Input voxels per voxel of the level along an axis.
        """
        d, h, w = feature.shape[2:]
        candidates = self._candidates(layer, (d, h, w), stride)
        return LayerVoxels(
            features=feature.permute(0, 2, 3, 4, 1).flatten(0, 3),
            candidates=candidates,
            chosen=self._chosen(candidates),
            second_keys=partial(self._keys, (layer, "second"), d * h * w),
        )

    def _candidates(self, layer: int, size: Shape, stride: int) -> Candidates:
        config, num_classes = self.config, self.logits.shape[1]
        labels = coarse_labels(self.batch.labels, stride, size, config.coarse_labels, num_classes)
        wrong = self._predicted(size, stride) != labels
        if config.sampling.false_negatives_of == "organs":
            wrong &= labels > 0
        eligible = (labels > 0) | self._background_is_known()
        if config.purity > 0:
            eligible &= cell_purity(self.batch.labels, labels, stride) >= config.purity
        return Candidates(
            keys=self._keys((layer,), labels[0].numel() if len(labels) else 0),
            classes=labels.flatten(),
            false_negative=wrong.flatten(),
            eligible=eligible.flatten(),
        )

    def _background_is_known(self) -> Bool[Tensor, "b 1 1 1"]:
        """Tell where background may be drawn: nowhere, or in the cases with every organ's labels.

        Elsewhere it may be an organ that nobody annotated.
        """
        annotated, cases = self.batch.annotated, len(self.batch.case_ids)
        known = torch.ones(cases, dtype=torch.bool, device=self.logits.device)
        known = known if annotated is None else annotated.all(1)
        return (known & self.config.include_background).view(-1, 1, 1, 1)

    def _predicted(self, size: Shape, stride: int) -> Int[Tensor, "b d2 h2 w2"]:
        """Bring the prediction to the level's grid as the labels are."""
        kind, logits = self.config.coarse_labels, self.logits.detach()
        if kind == "nearest":
            return pick(logits, stride, size).argmax(1)  # the same, without the whole argmax
        return coarse_labels(logits.argmax(1), stride, size, kind, logits.shape[1])

    def _chosen(self, candidates: Candidates) -> Int[Tensor, " m"]:
        num_classes, sampling = self.logits.shape[1], self.config.sampling
        if sampling.scope == "batch":
            return draw_voxels(candidates, num_classes, sampling, concatenate_over_ranks)
        places = torch.arange(len(candidates.keys), device=candidates.keys.device)
        cases = places.chunk(max(1, len(self.batch.case_ids)))
        drawn = [
            case[draw_voxels(candidates.subset(case), num_classes, sampling)] for case in cases
        ]
        return torch.cat(drawn)

    def _keys(self, stream: tuple[object, ...], voxels_per_case: int) -> Int[Tensor, " n"]:
        moment, device = self.moment, self.logits.device
        keys = [
            # The case stands last in the name of a stream: a draw is a property of the case.
            voxel_keys(
                stream_seed(moment.seed, moment.epoch, moment.step, *stream, case_id),
                voxels_per_case,
                device,
            )
            for case_id in self.batch.case_ids
        ]
        return torch.cat(keys) if keys else torch.zeros(0, dtype=torch.int64, device=device)
