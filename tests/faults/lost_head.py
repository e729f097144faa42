"""A study whose cluster's head is killed and started again; the same command after it.

Run: python -m tests.faults.lost_head FOLDER        (prints a JSON object; on a host of its own)
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.clusters.slurm_study import prepare
from tests.faults.own_cluster import TOKEN, begin, make_token, said_by, start_head

STUDY = ("study", "run", "table3", "--preset", "tiny", "--set", "epochs=6", "--data", "prepared")
MOMENT = ": epoch 2/"


def kill_head(driver: psutil.Process) -> None:
    """Kill Ray's servers: what has the token of this program, but for itself and the driver."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_ours = process.environ().get(TOKEN) == os.environ[TOKEN]
            if is_ours and process.pid not in (os.getpid(), driver.pid):
                process.kill()


def main(folder: Path) -> None:
    """Let a head die under a study, and give the same command again."""
    os.chdir(folder)
    make_token()
    prepare(folder)
    start_head()
    process = begin(*STUDY, "--workspace", "broken")
    assert process.stdout is not None
    next(line for line in process.stdout if MOMENT in line)
    kill_head(psutil.Process(process.pid))
    at = time.monotonic()
    broken = said_by(process) | {"after_s": round(time.monotonic() - at, 1)}
    start_head()
    outcome = {"broken": broken, "again": said_by(begin(*STUDY, "--workspace", "broken"))}
    outcome["unbroken"] = said_by(begin(*STUDY, "--workspace", "unbroken"))
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
