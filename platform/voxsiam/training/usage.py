"""What an epoch takes: time, memory and energy, as far as the machines can tell."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from voxsiam.collective import gather_objects
from voxsiam.training.energy import (
    POWERCAP,
    device_counters,
    joules_between,
    processor_counters,
)

SECONDS = "seconds/epoch"
PROCESS_MB, DEVICE_MB = "memory_mb/process", "memory_mb/device"
ENERGY_KJ, DEVICE_KJ = "energy_kj/epoch", "energy_kj/device"
USAGE_NAMES = (SECONDS, PROCESS_MB, DEVICE_MB, ENERGY_KJ, DEVICE_KJ)
"""Figures of an epoch that differ from one repetition to the next, and may be missing."""

_PROCESS = Path("/proc/self")


class EpochUsage:
    """Measures from its construction on; every rank makes one and asks it for the figures.

    Args:
        powercap: See `energy.processor_counters`.
    """

    def __init__(self, device: torch.device, powercap: Path = POWERCAP) -> None:
        self._device, self._powercap = device, powercap
        _forget_peaks(device)
        self._counters = device_counters(device), processor_counters(powercap)
        self._start = time.monotonic()

    def figures(self) -> dict[str, float]:
        """Return what was measured, of all ranks together; what cannot be measured is absent.

        Memory is the peak of the rank that took most, in units of 10^6 bytes. Energy counts each
        GPU and each processor once, and a kind of them only where every rank's can be read.
        """
        seconds = time.monotonic() - self._start
        counters = device_counters(self._device), processor_counters(self._powercap)
        spent = [joules_between(*both) for both in zip(self._counters, counters, strict=True)]
        ranks = gather_objects((_peaks(self._device), spent))
        peaks = [peak for peak, _ in ranks]
        known = [name for name in peaks[0] if all(name in peak for peak in peaks)]
        memory = {name: max(peak[name] for peak in peaks) for name in known}
        return {SECONDS: seconds} | memory | _energy([energy for _, energy in ranks])


def _energy(ranks: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """Add up the counters of all ranks, of which several may share one."""
    devices, processors = (_total_kj(kind) for kind in zip(*ranks, strict=True))
    known = [total for total in (devices, processors) if total is not None]
    total = {ENERGY_KJ: sum(known)} if known else {}
    return total if devices is None else total | {DEVICE_KJ: devices}


def _total_kj(ranks: Sequence[Mapping[str, float]]) -> float | None:
    if not all(ranks):
        return None
    joules = {name: value for rank in ranks for name, value in rank.items()}
    return sum(joules.values()) / 1e3


def _forget_peaks(device: torch.device) -> None:
    """Let the peaks begin anew: a process may have trained something larger before."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peaks(device: torch.device) -> dict[str, float]:
    peaks: dict[str, float] = {}
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text())
        peaks |= {PROCESS_MB: int(found[1]) * 1024 / 1e6} if found else {}
    if device.type == "cuda":
        peaks[DEVICE_MB] = torch.cuda.max_memory_allocated(device) / 1e6
    return peaks
