"""Debian's Slurm on two nodes of this machine: hosts with a network of their own.

All of it lives in namespaces, which end with the program that was started by `on_slurms_host`.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "ip")
ALONE = ("unshare", "--kill-child", "--net", "--mount", "--pid", "--uts", "--fork", "--mount-proc")
OWN_FOLDERS = """
mkdir -p /tmp/ray
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp/ray
ip link set lo up
"""
CONTROLLER = f'{OWN_FOLDERS} hostname controller; exec "$@"'
NODE = f"""{OWN_FOLDERS}
hostname "$1"
echo ready
read -r cable
ip address add "$2/24" dev eth0
ip link set eth0 up
slurmd -D &
wait
"""
"""A shell stays the first process: Ray's daemons become its children and must be buried."""
LOCAL = "/tmp/ray"
"""Each node's own folder; the file's own choice, /tmp, is one for all nodes here."""

ADDRESS = "10.77.0.1"
NODES = {"node1": "10.77.0.2", "node2": "10.77.0.3"}
SETTINGS = """
ClusterName=tests
SlurmctldHost=controller({address})
SlurmUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
MpiDefault=none
SelectType=select/cons_tres
SwitchType=switch/none
SlurmdParameters=config_overrides
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
CPUS = 2
BEGINS_WITHIN_S = 60.0


def on_slurms_host() -> list[str]:
    """Return the words that stand before a program's; none where Slurm cannot be started.

    It gives up its groups at the start, which no root but the machine's own may do.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)):
        return []
    words = [*ALONE, "sh", "-ec", CONTROLLER, "host"]
    tried = subprocess.run([*words, "true"], check=False, capture_output=True)
    return words if tried.returncode == 0 else []


@dataclass(frozen=True)
class SlurmJob:
    """What `sbatch` was given.

    Attributes:
        number: Slurm's name of it.
        log: What it has printed.
    """

    number: str
    log: Path

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def facts(self) -> dict[str, str]:
        """Return what Slurm knows of it."""
        shown = call("scontrol", "show", "job", self.number)
        return dict(re.findall(r"(\w+)=(\S*)", shown))

    def state(self) -> str:
        return self.facts()["JobState"]

    def wait_until_said(self, text: str, within_s: float) -> None:
        wait_until(lambda: text in self.said() or self._is_over(), within_s, self.said)
        assert text in self.said(), self.said()

    def wait(self, within_s: float) -> int:
        """Return the exit code."""
        wait_until(self._is_over, within_s, self.said)
        return int(self.facts()["ExitCode"].partition(":")[0])

    def _is_over(self) -> bool:
        return self.state() not in ("PENDING", "RUNNING", "COMPLETING")


def wait_until(holds: Callable[[], bool], within_s: float, told: Callable[[], str]) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, told()
        time.sleep(1)


def call(*words: str, **options) -> str:
    """Call one of Slurm's programs; return what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def submit(folder: Path, *words: str, environment: dict[str, str]) -> SlurmJob:
    """Give a file with its options and arguments to sbatch; its log lies in the folder."""
    number = call(
        "sbatch", "--parsable", f"--output={folder}/%j.log", *words,
        cwd=folder, env=os.environ | environment,
    ).strip()  # fmt: skip
    return SlurmJob(number, folder / f"{number}.log")


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[None]:
    """Start the controller here and a daemon on each node; only below `on_slurms_host`."""
    (folder / "state").mkdir(parents=True)
    nodes = "\n".join(
        f"NodeName={name} NodeAddr={address} CPUs={CPUS}" for name, address in NODES.items()
    )
    settings = folder / "slurm.conf"
    settings.write_text(SETTINGS.format(address=ADDRESS, folder=folder, nodes=nodes))
    os.environ["SLURM_CONF"] = str(settings)
    _know_all_names(folder / "hosts")
    call("ip", "link", "add", "switch", "type", "bridge")
    call("ip", "address", "add", f"{ADDRESS}/24", "dev", "switch")
    call("ip", "link", "set", "switch", "up")
    with ExitStack() as running:
        for name, address in NODES.items():
            running.enter_context(_node(folder, name, address))
        running.enter_context(_started(folder / "slurmctld.log", ["slurmctld", "-D"]))
        wait_until(_all_idle, BEGINS_WITHIN_S, lambda: _logs(folder))
        yield


def _know_all_names(hosts: Path) -> None:
    """Let all hosts here find one another by name, as DNS does on a cluster."""
    known = {"localhost": "127.0.0.1", "controller": ADDRESS} | NODES
    hosts.write_text("".join(f"{address} {name}\n" for name, address in known.items()))
    call("mount", "--bind", str(hosts), "/etc/hosts")


def _all_idle() -> bool:
    done = subprocess.run(["sinfo", "-hNo", "%t"], capture_output=True, text=True, check=False)
    return done.stdout.split() == ["idle"] * len(NODES)


def _logs(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.glob("*.log"))


@contextmanager
def _node(folder: Path, name: str, address: str) -> Iterator[None]:
    (folder / name).mkdir()
    words = [*ALONE, "sh", "-ec", NODE, "host", name, address]
    with _started(folder / f"{name}.log", words) as process:
        wait_until(
            lambda: "ready" in (folder / f"{name}.log").read_text(),
            BEGINS_WITHIN_S,
            lambda: _logs(folder),
        )
        cable = f"to-{name}"
        call("ip", "link", "add", cable, "type", "veth", "peer", "eth0", "netns", str(process.pid))
        call("ip", "link", "set", cable, "master", "switch", "up")
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        yield


@contextmanager
def _started(log: Path, words: list[str]) -> Iterator[subprocess.Popen]:
    with log.open("w") as stream:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
