"""A loss that is no longer a number ends the training in that step, on every rank."""

import math

from jaxtyping import Bool
from torch import Tensor

from voxsiam.collective import gather_objects
from voxsiam.training.batch import Batch, Moment
from voxsiam.training.context import TrainingEndedError
from voxsiam.training.objective import Outcome


class TrainingDivergedError(TrainingEndedError):
    """The loss or its gradient is no longer a number."""


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


def _spoiled(batch: Batch, finite: Bool[Tensor, " b"]) -> list[str]:
    """Name the cases of all ranks that are not finite."""
    verdicts = zip(batch.case_ids, finite.tolist(), strict=True)
    ours = [case for case, good in verdicts if not good]
    return [case for part in gather_objects(ours) for case in part]


def _diverged(
    what: str, spoiled: list[str] | tuple[str, ...], cases: tuple[str, ...], moment: Moment
) -> TrainingDivergedError:
    return TrainingDivergedError(
        f"{what} at epoch {moment.epoch + 1}, step {moment.step + 1}: "
        f"look at {', '.join(spoiled)} (batch: {', '.join(cases)})"
    )
