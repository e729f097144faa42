"""What an epoch takes: time, memory and energy, as far as the machines can tell.

Energy is what counters of GPUs and processors tell; what has none is not estimated. A counter is
that of the whole GPU or processor: other work on it counts too.
"""

import platform
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from voxsiam.collective import gather_objects

SECONDS = "seconds/epoch"
PROCESS_MB, DEVICE_MB = "memory_mb/process", "memory_mb/device"
ENERGY_KJ, DEVICE_KJ = "energy_kj/epoch", "energy_kj/device"
USAGE_NAMES = (SECONDS, PROCESS_MB, DEVICE_MB, ENERGY_KJ, DEVICE_KJ)
"""Figures of an epoch that differ from one repetition to the next, and may be missing."""

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the counters of Intel's and AMD's processors (RAPL), as `intel-rapl:0`."""

_COUNTED = ("package", "dram")
"""Zones that do not contain each other; cores are part of their package."""

_PROCESS = Path("/proc/self")


class EpochUsage:
    """Measures from its construction on; every rank makes one and asks it for the figures."""

    def __init__(self, device: torch.device, powercap: Path = POWERCAP) -> None:
        self._device, self._powercap = device, powercap
        # Let the peaks begin anew: a process may have trained something larger before.
        with suppress(OSError):
            (_PROCESS / "clear_refs").write_text("5")
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
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


def _peaks(device: torch.device) -> dict[str, float]:
    peaks: dict[str, float] = {}
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text())
        peaks |= {PROCESS_MB: int(found[1]) * 1024 / 1e6} if found else {}
    if device.type == "cuda":
        peaks[DEVICE_MB] = torch.cuda.max_memory_allocated(device) / 1e6
    return peaks


@dataclass(frozen=True)
class Counter:
    """A count of energy.

    Attributes:
        range_joules: Where it begins again at 0; None where it never does.
    """

    joules: float
    range_joules: float | None = None

    def since(self, earlier: "Counter") -> float:
        """Return the joules since an earlier reading, less than one range ago."""
        spent = self.joules - earlier.joules
        return spent + (self.range_joules or 0.0) if spent < 0 else spent


Counters = Mapping[str, Counter]
"""By a name that is one counter's alone, on whichever machine."""


def processor_counters(powercap: Path = POWERCAP) -> Counters:
    """Read the counters of this machine's processors; none where they may not be read."""
    try:
        zones = (zone for zone in sorted(powercap.glob("intel-rapl:*")) if _is_counted(zone))
        return {f"{platform.node()}/{zone.name}": _read_zone(zone) for zone in zones}
    except (OSError, ValueError):
        return {}


def _is_counted(zone: Path) -> bool:
    return (zone / "name").read_text().startswith(_COUNTED)


def _read_zone(zone: Path) -> Counter:
    microjoules, range_microjoules = (
        int((zone / name).read_text()) for name in ("energy_uj", "max_energy_range_uj")
    )
    return Counter(microjoules / 1e6, range_microjoules / 1e6)


def device_counters(device: torch.device) -> Counters:
    """Read the counter of a GPU; none where the driver has none."""
    if device.type != "cuda":
        return {}
    import pynvml

    name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    try:
        pynvml.nvmlInit()
        try:
            handle = pynvml.nvmlDeviceGetHandleByUUID(name)
            return {name: Counter(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3)}
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return {}


def joules_between(start: Counters, end: Counters) -> Mapping[str, float]:
    """Return what each counter has counted; nothing unless the same ones were read twice."""
    if start.keys() != end.keys():
        return {}
    return {name: counter.since(start[name]) for name, counter in end.items()}
