"""The figures of one epoch: loss terms, collapse, gradients, draws."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from voxsiam.collective import gather_objects, sum_over_ranks
from voxsiam.training.objective import Outcome
from voxsiam.types import ORGANS


class EpochRecord:
    """Adds up the figures of an epoch's steps."""

    def __init__(self, world_size: int) -> None:
        self._world_size = world_size
        self._values: dict[str, list[float]] = defaultdict(list)
        self._dsc: list[list[float]] = []

    def global_values(self, outcome: Outcome) -> dict[str, float]:
        """Turn this rank's scaled shares into the values of the global batch."""
        names = sorted(outcome.terms)
        shares = torch.stack([outcome.terms[name].double() for name in names])
        total = sum_over_ranks(shares) / self._world_size
        # One copy from the device, whatever there is to log.
        logged = {**dict(zip(names, total, strict=True)), **outcome.figures}
        floats = torch.stack([value.double() for value in logged.values()]).tolist()
        return dict(zip(logged, floats, strict=True))

    def add(self, values: Mapping[str, float], outcome: Outcome) -> None:
        """Add one step; what is no number there (no two classes to compare) is left out."""
        for name, value in values.items():
            if math.isfinite(value):
                self._values[name].append(value)
        self._dsc += outcome.dsc.tolist()

    def means(self) -> dict[str, float]:
        """Average over the steps, and the training cases' Dice over cases and organs."""
        rows = [row for part in gather_objects(self._dsc) for row in part]
        means = {f"train/{name}": sum(all_) / len(all_) for name, all_ in self._values.items()}
        return means | {"train/dsc": organ_means("dsc", rows)["dsc"]}


def gradient_norms(module: nn.Module) -> dict[str, float]:
    """Return the l2 norm of the gradient: of all parameters, of the network, of the heads."""
    parts: dict[str, list[torch.Tensor]] = {"network": [], "heads": []}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            parts["heads" if "heads." in name else "network"].append(parameter.grad)
    norms = {name: nn.utils.get_total_norm(grads).item() for name, grads in parts.items() if grads}
    named = {f"gradient_norm/{name}": value for name, value in norms.items()}
    return named | {"gradient_norm": math.hypot(*norms.values())}


def organ_means(prefix: str, rows: Iterable[list[float]]) -> dict[str, float]:
    """Average Dice over cases per organ, then over organs; absent organs are left out.

    Args:
        prefix: Name of the overall mean.
        rows: For each case one value for background and each organ; NaN where it is in neither.
    """
    table = torch.tensor(list(rows), dtype=torch.float64)
    organs = table[:, 1:].nanmean(0).tolist()
    named = dict(zip(ORGANS, organs, strict=False))
    present = {organ: value for organ, value in named.items() if math.isfinite(value)}
    mean = sum(present.values()) / max(len(present), 1)
    return {prefix: mean} | {f"{prefix}/{organ}": value for organ, value in present.items()}
