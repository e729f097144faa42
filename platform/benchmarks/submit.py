"""From `voxsiam submit` to the first optimiser step, on a Ray of this machine.

Run: .venv/bin/python platform/benchmarks/submit.py --rounds 3
Each round submits `study run table3 --preset tiny` to a fresh workspace. Phantoms are made and
prepared in the first one; later rounds are given them with --data, as a user's data are.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from voxsiam.orchestration.cluster import local_cpus, object_store_bytes, start_ray
from voxsiam.orchestration.job_cluster import JobCluster
from voxsiam.orchestration.ray_access import OUTSIDE

FIRST_STEP = re.compile(r"first optimiser step ([\d.]+) s after .*?, ([\d.]+) s after the command")


def submit(address: str, words: list[str]) -> tuple[str, float]:
    """Send a study as a job and wait for its end; return what it printed and when it was sent."""
    sent = time.time()
    command = [sys.executable, "-m", "voxsiam_cli", "submit", "--address", address, "--", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout, sent


def first_step(address: str, words: list[str]) -> dict[str, float]:
    """Measure one job: seconds to its driver's start, and to the first optimiser step."""
    said, sent = submit(address, words)
    newest = JobCluster(address).jobs()[-1]
    found = FIRST_STEP.search(said)
    if found is None or newest.started is None:
        raise RuntimeError(said)
    driver = newest.started.timestamp() - sent
    return {"driver started": driver, "first step": driver + float(found[2])}


def main() -> None:
    """Measure with phantoms of its own, then with prepared data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    # Inherited by the jobs: else they take its 127.0.0.1 for the machine's outside address.
    os.environ[OUTSIDE] = "0"
    # Not before: our settings of Ray must stand when it is imported.
    import ray

    start_ray(max(2, local_cpus()), object_store_bytes(), dashboard=True)
    address = f"http://{ray._private.worker._global_node.webui_url}"  # pyright: ignore
    with tempfile.TemporaryDirectory() as folder:
        study = ["study", "run", "table3", "--preset", "tiny", "--workspace"]
        made = first_step(address, [*study, f"{folder}/phantoms"])
        print("phantoms of its own: " + _told(made), flush=True)
        (prepared,) = Path(folder, "phantoms", "cache").glob("prepared-*")
        given = [
            first_step(address, [*study, f"{folder}/w{number}", "--data", str(prepared)])
            for number in range(rounds)
        ]
        for name in given[0]:
            times = sorted(each[name] for each in given)
            print(f"{name}, data given: {statistics.median(times):.1f} s "
                  f"({times[0]:.1f} to {times[-1]:.1f}, n={rounds})")  # fmt: skip
    ray.shutdown()


def _told(measured: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in measured.items())


if __name__ == "__main__":
    main()
