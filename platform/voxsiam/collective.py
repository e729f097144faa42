"""Sums and gathers over the ranks of a training; the identity in a single process.

Everything that makes N workers compute the loss of the global batch goes through these functions.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import FunctionCtx


def is_distributed() -> bool:
    """Tell whether this process is one of several ranks."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def world_size() -> int:
    """Count the ranks; 1 in a single process."""
    return dist.get_world_size() if is_distributed() else 1


class _AllReduceSum(torch.autograd.Function):
    """Sum over ranks whose gradient is again the sum over ranks."""

    @staticmethod
    def forward(ctx: FunctionCtx, tensor: Tensor) -> Tensor:  # noqa: ARG004
        total = tensor.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # noqa: ANN401, ARG004
        total = grad_outputs[0].contiguous().clone()
        dist.all_reduce(total)
        return total


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """Add a tensor over all ranks; differentiable, and equal on every rank.

    The gradient of every rank's total with respect to this rank's tensor is what flows back, so
    statistics built on it (batch normalisation) differentiate as those of the global batch.
    """
    return _AllReduceSum.apply(tensor) if is_distributed() else tensor  # pyright: ignore[reportReturnType]


def concatenate_over_ranks(tensor: Tensor) -> Tensor:
    """Stack equally long tensors of all ranks along the first axis, without gradient."""
    if not is_distributed():
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


class _GatherRows(torch.autograd.Function):
    """Stack rows of all ranks; what flows back is summed over ranks and cut to this rank's."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:  # noqa: ANN401
        ctx.start = sum(counts[: dist.get_rank()])
        ctx.count = len(rows)
        padded = rows.new_zeros((max(counts), *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # noqa: ANN401
        total = grad_outputs[0].contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.start : ctx.start + ctx.count], None


def row_counts(rows: Tensor) -> list[int]:
    """Count the rows of every rank, in rank order."""
    ours = torch.tensor([len(rows)], device=rows.device)
    return concatenate_over_ranks(ours).tolist()


def gather_rows(rows: Tensor) -> Tensor:
    """Stack the rows of all ranks in rank order, however many each has; differentiable."""
    if not is_distributed():
        return rows
    return _GatherRows.apply(rows, row_counts(rows))  # pyright: ignore[reportReturnType]


def rank() -> int:
    """Return this process's number; 0 in a single process."""
    return dist.get_rank() if is_distributed() else 0


def gather_objects(value: object) -> list[Any]:
    """Collect one plain object from every rank, on every rank, in rank order."""
    if not is_distributed():
        return [value]
    parts: list[Any] = [None] * world_size()
    dist.all_gather_object(parts, value)
    return parts
