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

import psutil

from voxsiam.orchestration.cluster.ray_access import OUTSIDE
from voxsiam.orchestration.cluster.ray_instance import local_cpus, object_store_bytes, start_ray

FIRST_STEP = re.compile(r"first optimiser step ([\d.]+) s after .*?, ([\d.]+) s after the command")


def submit(address: str, words: list[str]) -> tuple[str, float]:
    """Send a study as a job and wait for its end.

    Returns:
        What it printed, and the seconds until its driver, a process of this machine, began.
    """
    sent = time.time()
    command = [sys.executable, "-m", "voxsiam_cli", "submit", "--address", address, "--", *words]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    driver = None
    while driver is None and job.poll() is None:
        time.sleep(0.2)
        driver = driver_of(words)
    printed, _ = job.communicate()
    if job.returncode or driver is None:
        raise RuntimeError(printed)
    return printed, driver - sent


def driver_of(words: list[str]) -> float | None:
    """Find when the process that runs these words, and is not the one that sent them, began."""
    for process in psutil.process_iter(["cmdline", "create_time"]):
        told = process.info["cmdline"] or []
        if "submit" not in told and set(words) <= set(told):
            return process.info["create_time"]
    return None


def first_step(address: str, words: list[str]) -> dict[str, float]:
    """Measure one job: seconds to its driver's start, and to the first optimiser step."""
    printed, driver = submit(address, words)
    found = FIRST_STEP.search(printed)
    if found is None:
        raise RuntimeError(printed)
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
