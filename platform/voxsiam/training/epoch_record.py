"""The figures of one epoch, and the end of a training where one is no longer a number."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from voxsiam.collective import gather_objects, sum_over_ranks
from voxsiam.training.batch import Batch, Moment
from voxsiam.training.context import TrainingEndedError
from voxsiam.training.objective import Outcome
from voxsiam.types import PAPER_ORGANS


class TrainingDivergedError(TrainingEndedError):
    """The loss or its gradient is no longer a number."""


class EpochRecord:
    """Adds up the figures of an epoch's steps.

    Args:
        organs: Name the classes behind the background.
    """

    def __init__(self, world_size: int, organs: Sequence[str] = PAPER_ORGANS) -> None:
        self._world_size, self._organs = world_size, tuple(organs)
        self._values: dict[str, list[float]] = defaultdict(list)
        self._dsc: list[list[float]] = []

    def global_values(self, outcome: Outcome) -> dict[str, float]:
        """Turn this rank's scaled shares into the values of the global batch."""
        names = sorted(outcome.terms)
        shares = torch.stack([outcome.terms[name].double() for name in names])
        total = sum_over_ranks(shares) / self._world_size
        # One copy from the device, whatever there is to log.
        logged = [*zip(names, total, strict=True), *outcome.figures.items()]
        floats = torch.cat([value.double().flatten() for _, value in logged]).tolist()
        named = [one for name, value in logged for one in self._names(name, value)]
        return dict(zip(named, floats, strict=True))

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
        return means | {"train/dsc": organ_means("dsc", rows, self._organs)["dsc"]}

    def _names(self, name: str, value: Tensor) -> list[str]:
        """Name a figure, or each of one for every class."""
        by_class = ("background", *self._organs)
        return [f"{name}/{of}" for of in by_class] if value.ndim else [name]


def require_finite_loss(
    value: float, outcome: Outcome, batch: Batch, cases: tuple[str, ...], moment: Moment
) -> None:
    """Refuse a loss of the global batch that is no number, naming the cases that spoiled it.

    Args:
        value: Equal on all ranks, so that all of them raise or none.
    """
    if math.isfinite(value):
        return
    # Batch normalisation spreads one bad image to every case: bad images explain more.
    images = _spoiled(batch, batch.images.flatten(1).isfinite().all(1))
    spoiled = images or _spoiled(batch, outcome.finite)
    raise _diverged(f"the loss is {value}", spoiled or cases, cases, moment)


def require_finite_gradient(norm: float, cases: tuple[str, ...], moment: Moment) -> None:
    """Refuse a gradient that is no number; DDP has summed it, so no single case can be named."""
    if not math.isfinite(norm):
        raise _diverged(f"the norm of the gradient is {norm}", cases, cases, moment)


def _spoiled(batch: Batch, finite: Bool[Tensor, " b"]) -> tuple[str, ...]:
    """Name the cases of all ranks that are not finite."""
    verdicts = zip(batch.case_ids, finite.tolist(), strict=True)
    ours = [case for case, good in verdicts if not good]
    return tuple(case for part in gather_objects(ours) for case in part)


def _diverged(
    what: str, spoiled: tuple[str, ...], cases: tuple[str, ...], moment: Moment
) -> TrainingDivergedError:
    return TrainingDivergedError(
        f"{what} at epoch {moment.epoch + 1}, step {moment.step + 1}: "
        f"look at {', '.join(spoiled)} (batch: {', '.join(cases)})"
    )


def gradient_norms(module: nn.Module) -> dict[str, float]:
    """Return the l2 norm of the gradient: of all parameters, of the network, of the heads."""
    parts: dict[str, list[torch.Tensor]] = {"network": [], "heads": []}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            parts["heads" if "heads." in name else "network"].append(parameter.grad)
    norms = {name: nn.utils.get_total_norm(grads).item() for name, grads in parts.items() if grads}
    named = {f"gradient_norm/{name}": value for name, value in norms.items()}
    return named | {"gradient_norm": math.hypot(*norms.values())}


def organ_means(
    prefix: str, rows: Iterable[list[float]], names: Sequence[str] = PAPER_ORGANS
) -> dict[str, float]:
    """Average Dice over cases per organ, then over organs; absent organs are left out.

    Args:
        rows: For each case one value for background and each organ; NaN where it is in neither.
        names: Of the organs.
    """
    table = torch.tensor(list(rows), dtype=torch.float64)
    organs = table[:, 1:].nanmean(0).tolist()
    named = dict(zip(names, organs, strict=False))
    present = {organ: value for organ, value in named.items() if math.isfinite(value)}
    mean = sum(present.values()) / max(len(present), 1)
    return {prefix: mean} | {f"{prefix}/{organ}": value for organ, value in present.items()}
