import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.voxsiam.training.gloo import group, run_ranks
from tests.voxsiam.training.rapl import RANGE_J, write_zone
from tests.voxsiam.training.toy import make_recipe, make_volume
from voxsiam.training.context import SingleProcess
from voxsiam.training.loop import Training, fit
from voxsiam.training.usage import (
    DEVICE_KJ,
    DEVICE_MB,
    ENERGY_KJ,
    PROCESS_MB,
    SECONDS,
    Counter,
    EpochUsage,
    device_counters,
    joules_between,
    processor_counters,
)
from voxsiam.types import Split

CPU = torch.device("cpu")


def touch(megabytes):
    """Take memory for a moment, really: pages that nobody writes to are not resident."""
    return int(np.ones(megabytes * 125_000)[-1])


def test_the_peak_is_that_of_the_epoch_alone():
    idle = EpochUsage(CPU).figures()[PROCESS_MB]
    usage = EpochUsage(CPU)
    touch(300)
    busy = usage.figures()[PROCESS_MB]
    assert 300 < busy - idle + 30 < 400
    assert EpochUsage(CPU).figures()[PROCESS_MB] < busy - 200


def test_what_cannot_be_measured_is_absent(tmp_path):
    figures = EpochUsage(CPU, tmp_path).figures()
    assert figures.keys() == {SECONDS, PROCESS_MB}
    assert figures[SECONDS] >= 0


def test_energy_is_what_the_processor_counted(tmp_path):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 100.0)
    usage = EpochUsage(CPU, tmp_path)
    write_zone(tmp_path, "intel-rapl:0", "package-0", 350.0)
    figures = usage.figures()
    assert figures[ENERGY_KJ] == pytest.approx(0.25)
    assert {DEVICE_KJ, DEVICE_MB}.isdisjoint(figures)


def measure(rank, folder, powercap):
    with group(rank, 2, folder):
        # Counters of one machine, seen by both ranks; the second rank takes more memory.
        usage = EpochUsage(CPU, Path(powercap))
        touch(50 + 200 * rank)
        torch.distributed.barrier()
        if rank == 0:
            write_zone(Path(powercap), "intel-rapl:0", "package-0", 160.0)
        torch.distributed.barrier()
        status = Path("/proc/self/status").read_text()
        own = {"own": int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024 / 1e6}
        (Path(folder) / f"rank{rank}.json").write_text(json.dumps(usage.figures() | own))


def test_ranks_share_a_machine_and_the_largest_counts(tmp_path):
    powercap = tmp_path / "powercap"
    powercap.mkdir()
    write_zone(powercap, "intel-rapl:0", "package-0", 100.0)
    run_ranks(measure, 2, str(tmp_path), str(powercap))
    first, second = (json.loads((tmp_path / f"rank{r}.json").read_text()) for r in (0, 1))
    assert first[ENERGY_KJ] == second[ENERGY_KJ] == pytest.approx(0.06)
    assert first["own"] + 100 < second["own"]
    assert first[PROCESS_MB] == second[PROCESS_MB] == pytest.approx(second["own"], rel=0.02)


def measure_one_blind(rank, folder, powercap):
    with group(rank, 2, folder):
        usage = EpochUsage(CPU, Path(powercap) if rank else Path(folder) / "absent")
        figures = usage.figures()
        (Path(folder) / f"rank{rank}.json").write_text(json.dumps(figures))


def test_part_of_the_machines_is_no_sum(tmp_path):
    powercap = tmp_path / "powercap"
    powercap.mkdir()
    write_zone(powercap, "intel-rapl:0", "package-0", 100.0)
    run_ranks(measure_one_blind, 2, str(tmp_path), str(powercap))
    assert ENERGY_KJ not in json.loads((tmp_path / "rank1.json").read_text())


def test_a_resumed_training_still_knows_what_its_first_epochs_took(tmp_path):
    split = Split(train=("a", "b"), validation=(), test=())
    context = SingleProcess([].append, CPU)
    _, first = fit(Training("run", make_recipe(epochs=1), 0, split, tmp_path), make_volume, context)
    longer = Training("run", make_recipe(epochs=2), 0, split, tmp_path)
    _, records = fit(longer, make_volume, context)
    assert len(records) == 2
    assert records[0] == first[0]
    assert {SECONDS, PROCESS_MB} <= records[0].keys()


def test_packages_and_memory_count_and_what_lies_inside_a_package_does_not(tmp_path):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 100.0)
    write_zone(tmp_path, "intel-rapl:1", "package-1", 200.0)
    write_zone(tmp_path, "intel-rapl:0:0", "core", 50.0)
    write_zone(tmp_path, "intel-rapl:0:1", "dram", 7.0)
    write_zone(tmp_path, "intel-rapl:2", "psys", 400.0)
    write_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100.0)
    found = processor_counters(tmp_path)
    assert {name.split("/")[1] for name in found} == {
        "intel-rapl:0",
        "intel-rapl:1",
        "intel-rapl:0:1",
    }
    assert sum(counter.joules for counter in found.values()) == pytest.approx(307.0)


def test_nothing_is_told_unless_every_counter_can_be_read(tmp_path):
    assert processor_counters(tmp_path / "absent") == {}
    write_zone(tmp_path, "intel-rapl:0", "package-0", 100.0)
    write_zone(tmp_path, "intel-rapl:1", "package-1", 200.0)
    # Most systems show the names to everybody and the energy to the administrator alone.
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert processor_counters(tmp_path) == {}


def test_a_counter_that_began_again_is_read_on():
    assert Counter(30.0, RANGE_J).since(Counter(10.0, RANGE_J)) == pytest.approx(20.0)
    assert Counter(5.0, RANGE_J).since(Counter(RANGE_J - 3.0, RANGE_J)) == pytest.approx(8.0)


def test_a_counter_that_came_or_went_tells_nothing():
    start, end = {"a": Counter(1.0)}, {"a": Counter(3.0), "b": Counter(9.0)}
    assert joules_between(start, end) == {}
    assert joules_between(start, {"a": Counter(3.0)}) == {"a": 2.0}


def test_a_processor_has_no_counter_of_a_gpu():
    assert device_counters(torch.device("cpu")) == {}


@pytest.mark.gpu
def test_a_gpu_counts_its_energy(cuda):
    start = device_counters(cuda)
    matrix = torch.rand(4096, 4096, device=cuda)
    for _ in range(200):
        matrix = torch.tanh(matrix @ matrix)
    torch.cuda.synchronize()
    assert sum(joules_between(start, device_counters(cuda)).values()) > 0
