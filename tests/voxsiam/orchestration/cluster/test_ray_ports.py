"""What is told about Ray's ports is what Ray's processes really do."""

import subprocess
import sys

import psutil
import pytest

from voxsiam.orchestration.cluster.ray_ports import SERVANTS, find_ray_ports, is_loopback


@pytest.fixture(scope="module")
def ports(ray_instance):
    return find_ray_ports(ask_workers=True)


def test_every_part_of_ray_is_found(ports):
    owners = {port.owner for port in ports}
    assert set(SERVANTS) <= owners
    # The driver is this process.
    assert psutil.Process().pid in {port.pid for port in ports}


def test_none_is_reached_from_outside(ports):
    assert not [port for port in ports if port.is_outside]


def test_only_metrics_answer_without_a_token(ports):
    """S6: what can run a program, read data or stop Ray turns such a request away."""
    told = {(port.owner, port.wants_token) for port in ports}
    metrics = {"dashboard.py", "monitor.py", "ray::DashboardAgent"}
    assert {owner for owner, wants in told if wants != "yes"} == metrics
    assert {wants for _, wants in told} == {"yes", "no"}
    # The agent has two more ports, which do want a token.
    assert ("ray::DashboardAgent", "yes") in told


def test_workers_and_drivers_are_not_asked_unasked_for(ports):
    again = find_ray_ports()
    assert {port.wants_token for port in again if port.owner not in SERVANTS} == {"not asked"}
    assert {port.wants_token for port in again if port.owner == "gcs_server"} == {"yes"}


def test_other_listeners_are_none_of_rays(ports):
    code = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        number = int(other.stdout.readline())
        assert number in {c.laddr.port for c in psutil.net_connections("tcp") if c.laddr}
        assert number not in {port.port for port in find_ray_ports()}
        other.kill()


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.1.2.3", False),
        ("::ffff:10.1.2.3", False),
        ("fe80::1%eth0", False),
    ],
)
def test_addresses(address, is_own):
    assert is_loopback(address) == is_own
