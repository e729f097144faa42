"""A study on a head that trains nothing, whose autoscaler starts nodes: Ray's own, on this machine.

Run: python -m tests.integration.autoscaled_study FOLDER NODES   (on a host of its own)
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tracking_server import serving
from tests.voxsiam.orchestration.toy_study import losses
from voxsiam.orchestration.studies.ledger import find_ledgers
from voxsiam.orchestration.workspace import Workspace

HEAD_ID = "f" * 51 + "00000"
"""Ray's provider of nodes on one machine asks for it."""

ADDRESS = "127.0.0.1:6379"
RAY = Path(sys.executable).with_name("ray")
STUDY = ["study", "run", "table3", "--preset", "tiny", "--set", "epochs=2", "--gpu-share", "0"]
CPUS = 1
LISTS = ("initialization_commands", "setup_commands", "head_setup_commands", "rsync_exclude",
         "worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands",
         "rsync_filter", "cluster_synced_files")  # fmt: skip


def settings(nodes: int) -> dict:
    """Describe a cluster of a head without processors and at most so many nodes."""
    return dict.fromkeys(LISTS, ()) | {
        "cluster_name": "tests",
        "max_workers": nodes,
        "idle_timeout_minutes": 5,
        "upscaling_speed": 1.0,
        "provider": {
            "type": "fake_multinode",
            "head_node_id": HEAD_ID,
            "launch_multiple": False,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {
            "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "small": {"resources": {"CPU": CPUS}, "node_config": {}, "max_workers": nodes},
        },
        "head_node_type": "head",
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
    }


@contextmanager
def autoscaling_head(folder: Path, nodes: int) -> Iterator[None]:
    """Start the head; its host ends it."""
    file = folder / "cluster.json"
    file.write_text(json.dumps(settings(nodes)))
    environment = os.environ | {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
    words = ["start", "--head", "--num-cpus=0", f"--autoscaling-config={file}"]
    subprocess.run([RAY, *words], env=environment, check=True, stdout=sys.stderr)
    os.environ["RAY_ADDRESS"] = ADDRESS
    yield


def run(workspace: Path) -> subprocess.CompletedProcess:
    """Run the study."""
    words = [sys.executable, "-m", "voxsiam_cli", *STUDY, "--workspace", str(workspace)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def trained(workspace: Path) -> list[list[float]]:
    """Read the losses of its trials."""
    (ledger,) = find_ledgers(Workspace(workspace))
    return [losses(trial.run) for trial in ledger.plan.trials if trial.run.result_file.exists()]


def main(folder: Path, nodes: int) -> None:
    """Print what the command said, how it ended and what was trained, as JSON."""
    undisturbed, scaled = folder / "undisturbed", folder / "scaled"
    run(undisturbed)  # a Ray of its own, on this machine alone
    with autoscaling_head(folder, nodes), serving(folder) as server:
        os.environ["MLFLOW_TRACKING_URI"] = server.url
        done = run(scaled)
        listed = subprocess.run([RAY, "list", "nodes"], capture_output=True, text=True, check=False)
    outcome = {
        "code": done.returncode,
        "said": done.stdout + done.stderr,
        "trained": trained(scaled),
        "expected": trained(undisturbed),
        "nodes": listed.stdout.count("ALIVE"),
    }
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
