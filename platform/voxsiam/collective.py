"""Sums and gathers over the ranks of a training; the identity in a single process.

Everything that makes N workers compute the loss of the global batch goes through these functions.
"""

import os
import time
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import FunctionCtx

_GATHERED = 2**15
"""Numbers of all ranks together up to which a sum is gathered; the bytes grow with the ranks."""

_LOOKING_S = 0.02
"""Ten times what ranks of one machine were found apart; one that waits longer had better sleep."""


DDP_SETTINGS: dict[str, Any] = {
    "gradient_as_bucket_view": True,
    "broadcast_buffers": False,
    "find_unused_parameters": True,
}
"""Of every DistributedDataParallel. After its first step it would sort the gradients into other
buckets, and where in a bucket a gradient lies decides in which order three ranks or more are added:
a training that goes on from a checkpoint would part from the unbroken one in the last digits. While
it looks for unused parameters it keeps its buckets."""


def is_distributed() -> bool:
    """Tell whether this process is one of several ranks."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def world_size() -> int:
    """Count the ranks; 1 in a single process."""
    return dist.get_world_size() if is_distributed() else 1


def _total(tensor: Tensor) -> Tensor:
    """Add a tensor over all ranks, without gradient.

    A step has dozens of small sums, and gloo takes three times as long to reduce one as to gather
    it (docs/benchmarks.md). Gathered, they are added in rank order.
    """
    if dist.get_backend() == "gloo" and tensor.numel() * world_size() <= _GATHERED:
        return concatenate_over_ranks(tensor[None]).sum(0, dtype=tensor.dtype)
    total = tensor.contiguous().clone()
    dist.all_reduce(total)
    return total


def _gathered(tensor: Tensor) -> list[Tensor]:
    """Return the equally long tensors of all ranks, without gradient.

    Whoever sleeps until gloo is done is woken 1 to 2 ms late on a virtual machine, dozens of times
    a step; so look for a while first, and give way to other threads meanwhile.
    """
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    work = dist.all_gather(parts, tensor, async_op=True)
    if work is None:
        raise RuntimeError("this process is no rank of the group")
    if dist.get_backend() == "gloo":
        end = time.monotonic() + _LOOKING_S
        while not work.is_completed() and time.monotonic() < end:
            os.sched_yield()
    work.wait()
    return parts


class _AllReduceSum(torch.autograd.Function):
    """Sum over ranks whose gradient is again the sum over ranks."""

    @staticmethod
    def forward(ctx: FunctionCtx, tensor: Tensor) -> Tensor:  # noqa: ARG004
        return _total(tensor)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # noqa: ANN401, ARG004
        return _total(grad_outputs[0])


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
    return torch.cat(_gathered(tensor.contiguous()))


class _GatherRows(torch.autograd.Function):
    """Stack rows of all ranks; what flows back is summed over ranks and cut to this rank's."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:  # noqa: ANN401
        ctx.start = sum(counts[: dist.get_rank()])
        ctx.count = len(rows)
        padded = rows.new_zeros((max(counts), *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = _gathered(padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:  # noqa: ANN401
        total = _total(grad_outputs[0])
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
