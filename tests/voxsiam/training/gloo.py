"""Ranks on this machine, started once for many jobs."""

import multiprocessing
import os
from collections.abc import Callable
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from voxsiam.collective import DDP_SETTINGS
from voxsiam.training.context import SingleProcess

# DDP imports torch._dynamo, which takes three seconds.
multiprocessing.set_forkserver_preload(["torch._dynamo", "voxsiam.training.loop"])


@contextmanager
def group(rank: int, world_size: int, folder: str):
    """Join the ranks that meet in a folder."""
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet-{world_size}", rank=rank, world_size=world_size
    )
    try:
        yield
    finally:
        dist.destroy_process_group()


def run_ranks(job: Callable[..., None], world_size: int, *arguments: object) -> None:
    """Call job(rank, *arguments) in as many processes and wait for all of them.

    They come from one process that has imported PyTorch and has no other thread.
    """
    start_processes(_one_thread, (job, *arguments), nprocs=world_size, start_method="forkserver")


def _one_thread(rank: int, job: Callable[..., None], *arguments: object) -> None:
    torch.set_num_threads(1)
    job(rank, *arguments)
    # The job is done and its files are closed. An interpreter that goes down while threads of gloo
    # or DDP are still ending aborts now and then ("terminate called without an active exception").
    os._exit(0)


class GlooWorker(SingleProcess):
    """A rank of a DDP training without Ray."""

    def __init__(self, rank, world_size, on_epoch):
        super().__init__(on_epoch, torch.device("cpu"))
        self.rank, self.world_size = rank, world_size

    def distribute(self, module):
        return DistributedDataParallel(module, **DDP_SETTINGS)
