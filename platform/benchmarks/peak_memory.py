"""Run a command and print the most memory that it and all that it started held at a time.

Run: .venv/bin/python platform/benchmarks/peak_memory.py -- .venv/bin/voxsiam demo
"""

import subprocess
import sys
import time
from pathlib import Path

import psutil

INTERVAL_S = 0.5


def main() -> None:
    """Sample until the command ends; pages that processes share count once, by PSS."""
    start = time.monotonic()
    command = subprocess.Popen(sys.argv[sys.argv.index("--") + 1 :])
    peak = 0
    while command.poll() is None:
        peak = max(peak, _tree_bytes(command.pid))
        time.sleep(INTERVAL_S)
    print(f"peak memory {peak / 2**30:.2f} GiB in {time.monotonic() - start:.0f} s")
    sys.exit(command.returncode)


def _tree_bytes(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_pss_bytes(process.pid) for process in tree)


def _pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
