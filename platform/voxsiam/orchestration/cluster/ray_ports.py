"""The ports on which Ray listens on this machine, and what each says to a request without a token.

Whoever runs a program on Ray needs no more than one port that answers. See docs/security.md.
"""

import http.client
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import psutil

PROGRAMS = ("raylet", "gcs_server")
CALLS = (
    "NodeInfoGcsService/GetAllNodeInfo",
    "NodeManagerService/GetNodeStats",
    "ObjectManagerService/Pull",
    "CoreWorkerService/GetCoreWorkerStats",
    "ReporterService/GetTraceback",
)
"""A call of each of Ray's services: one that a server has tells whether it wants a token."""

SERVANTS = (*PROGRAMS, "ray::DashboardAgent", "ray::RuntimeEnvAgent", "dashboard.py", "monitor.py")
"""What never takes part in a training."""
TIMEOUT_S = 3.0

Wants = Literal["yes", "no", "not asked", "no answer"]


@dataclass(frozen=True)
class RayPort:
    """A port of Ray.

    Attributes:
        owner: What listens: the name of the program or of Ray's part.
        is_outside: Other hosts can connect, as far as this machine decides it.
        wants_token: Whether a request without a token is turned away. Workers and drivers are
            not asked: a training's own connections may be among their ports.
        answer: What it said.
    """

    owner: str
    pid: int
    address: str
    port: int
    is_outside: bool
    wants_token: Wants
    answer: str


def find_ray_ports(*, ask_workers: bool = False) -> list[RayPort]:
    """List what every Ray on this machine listens on; of other users' processes only as root.

    Args:
        ask_workers: Ask workers and drivers too. Never while something is trained.
    """
    connections: list[Any] = psutil.net_connections("tcp")
    names = _ray_processes(connections)
    listening = {
        (c.pid, c.laddr.ip, c.laddr.port)
        for c in connections
        if c.status == "LISTEN" and c.pid in names
    }
    outside = _has_outside_address()
    ports = []
    for pid, ip, port in sorted(listening):
        name = names[pid]
        asked = ask_workers or name in SERVANTS
        wants, answer = _ask(_callable_address(ip), port) if asked else ("not asked", "")
        is_outside = outside and not is_loopback(ip)
        ports.append(RayPort(name, pid, ip, port, is_outside, wants, answer))
    return ports


def is_loopback(ip: str) -> bool:
    """Tell whether an address is this machine's own alone, also as IPv6 writes it."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _ray_processes(connections: Iterable[Any]) -> dict[int, str]:
    """Name the processes that belong to a Ray: its own programs, and all that talk to its GCS."""
    names = {pid: _name(pid) for pid in {c.pid for c in connections} if pid is not None}
    gcs = {
        c.laddr.port
        for c in connections
        if c.status == "LISTEN" and names.get(c.pid) == PROGRAMS[1]
    }
    gcs |= {_gcs_port(pid) for pid, name in names.items() if name == PROGRAMS[0]}
    talking = {c.pid for c in connections if c.raddr and c.raddr.port in gcs}
    return {pid: name for pid, name in names.items() if pid in talking or name in PROGRAMS}


def _name(pid: int) -> str:
    """Name a process as a person would: the program, the script, or what Ray says it is."""
    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        if words and words[0].startswith("ray::"):
            return words[0].split("(")[0].strip()
        scripts = [word for word in words if word.endswith(".py") and "/ray/" in word]
        return scripts[-1].rpartition("/")[2] if scripts else process.name()
    except psutil.Error:
        return "?"


def _gcs_port(pid: int) -> int:
    """Read from a raylet's command line where its GCS is; it may be on another host."""
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return -1
    told = [word for word in words if word.startswith("--gcs-address=")]
    return int(told[0].rpartition(":")[2]) if told else -1


def _has_outside_address() -> bool:
    addresses = [each.address for of_one in psutil.net_if_addrs().values() for each in of_one]
    # What a network card is called stands there too, with single colons.
    return not all(is_loopback(text) for text in addresses if "." in text or "::" in text)


def _callable_address(ip: str) -> str:
    """Where to reach a port that listens on all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(ip, ip).removeprefix("::ffff:")  # noqa: S104


def _ask(address: str, port: int) -> tuple[Wants, str]:
    """Send a request without a token: over HTTP, and where nothing speaks that, as Ray's calls."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/api/version")
        answer = connection.getresponse()
        said = f"HTTP {answer.status}"
        return ("yes" if answer.status in (401, 403) else "no"), said
    except http.client.HTTPException:
        return _ask_by_call(f"{address}:{port}")
    except OSError as error:
        return "no answer", type(error).__name__
    finally:
        connection.close()


def _ask_by_call(target: str) -> tuple[Wants, str]:
    import grpc

    with grpc.insecure_channel(target) as channel:
        for call in CALLS:
            try:
                channel.unary_unary(f"/ray.rpc.{call}")(b"", timeout=TIMEOUT_S)
            except grpc.RpcError as error:
                code = error.code().name  # pyright: ignore[reportAttributeAccessIssue]
                if code == "UNIMPLEMENTED":
                    continue
                wants = {"UNAUTHENTICATED": "yes", "UNAVAILABLE": "no answer"}.get(code, "no")
                return wants, f"{call}: {code}"  # pyright: ignore[reportReturnType]
            return "no", f"{call}: OK"
    return "no answer", "no call that is known"
