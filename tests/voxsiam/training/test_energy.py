import pytest
import torch

from tests.voxsiam.training.rapl import RANGE_J, write_zone
from voxsiam.training.energy import (
    Counter,
    device_counters,
    joules_between,
    processor_counters,
)


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
