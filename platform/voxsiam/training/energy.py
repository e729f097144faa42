"""Counters of the energy that GPUs and processors have taken; what has none is not estimated.

A counter is that of the whole GPU or processor: other work on it counts too.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the counters of Intel's and AMD's processors (RAPL)."""

_COUNTED = ("package", "dram")
"""Zones that do not contain each other; cores are part of their package."""


@dataclass(frozen=True)
class Counter:
    """A count of energy.

    Attributes:
        joules: Since some moment in the past.
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
    """Read the counters of this machine's processors; none where they may not be read.

    Args:
        powercap: The folder that holds `intel-rapl:0` and so on.
    """
    try:
        zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if _is_counted(zone)]
        return {f"{platform.node()}/{zone.name}": _read_zone(zone) for zone in zones}
    except (OSError, ValueError):
        return {}


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


def _is_counted(zone: Path) -> bool:
    return (zone / "name").read_text().startswith(_COUNTED)


def _read_zone(zone: Path) -> Counter:
    microjoules, range_microjoules = (
        int((zone / name).read_text()) for name in ("energy_uj", "max_energy_range_uj")
    )
    return Counter(microjoules / 1e6, range_microjoules / 1e6)
