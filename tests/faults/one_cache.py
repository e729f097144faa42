"""Several processes build the same prepared volumes at once, while another one reads them.

Run: python -m tests.faults.one_cache FOLDER TRIES        (prints a JSON line for each try)
"""

import json
import os
import sys
from pathlib import Path

from tests.faults.killed_calls import end_of, start
from tests.small_data_sets import SMALL, write_case_folders
from voxsiam_data.prepared.case_task import CaseReady, CaseRequest, prepare_case
from voxsiam_data.prepared.entries import damaged_file
from voxsiam_data.sources.detect import read_source

WRITERS = 3


def read_while_written(volumes: Path, over: Path) -> None:
    """Whatever bears a final name is whole, whenever it is looked at."""
    looks = 0
    while not over.exists() or looks == 0:
        for entry in volumes.glob("[!.]*"):
            assert damaged_file(entry) is None, entry
        looks += 1


def build_at_once(requests: list[CaseRequest], folder: Path) -> list[int]:
    """Let all writers wait for one signal, then prepare all cases; return their exit codes."""
    reading, writing = os.pipe()
    over = folder / "over"

    def write():
        os.close(writing)
        os.read(reading, 1)  # ends for all when the parent closes its end
        for request in requests:
            assert isinstance(prepare_case(request), CaseReady)

    writers = [start(write) for _ in range(WRITERS)]
    reader = start(lambda: (os.close(writing), read_while_written(requests[0].volumes, over)))
    os.close(writing)
    codes = [end_of(pid) for pid in writers]
    over.touch()
    os.close(reading)
    return [*codes, end_of(reader)]


def main(folder: Path, tries: int) -> None:
    """Build into a fresh folder each time."""
    source = read_source(write_case_folders(folder / "source"))
    for number in range(tries):
        volumes = folder / f"try-{number}" / "volumes"
        volumes.mkdir(parents=True)
        requests = [
            CaseRequest(
                case_id=c.case_id, image=c.image, label=c.label, config=SMALL, volumes=volumes
            )
            for c in source.cases
            if c.image is not None
        ]
        codes = build_at_once(requests, volumes.parent)
        left = sorted(path.name for path in volumes.iterdir())
        sound = all(damaged_file(volumes / name) is None for name in left)
        sys.stdout.write(json.dumps({"codes": codes, "left": left, "sound": sound}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
