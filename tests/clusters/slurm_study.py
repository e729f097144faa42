"""A study as Slurm jobs on two nodes: stopped in time, resumed, and one of its rows undisturbed.

Run: python -m tests.clusters.slurm_study FOLDER     (prints a JSON object; below `on_slurms_host`)
"""

import json
import sys
from pathlib import Path

import numpy as np

from tests.clusters.files import CLUSTERS
from tests.clusters.slurm_cluster import ADDRESS, LOCAL, SlurmJob, call, slurm_cluster, submit
from tests.nifti_files import phantom_ct, write_scan
from tests.prepared_folder import build_prepared
from tests.small_data_sets import write_case_folders
from tests.tracking_server import serving
from voxsiam.volumes.preparation_config import PreparationConfig

FILE = CLUSTERS / "slurm" / "voxsiam.sbatch"
CASES = "abcdefgh"
# More than the CPUs of one node: these workers are one Ray's only where both nodes are.
STUDY = ["study", "run", "table3", "--preset", "tiny", "--workers", "3", "--set", "epochs=4"]
ROW = "table3/feature (1)/0"
"""The run that is stopped."""
WITHIN_S = 1800.0


def prepare(folder: Path) -> None:
    """Prepare small scans of eight patients."""
    source = write_case_folders(folder / "clinic", tuple(CASES))
    for number, name in enumerate(CASES):
        # Equal label maps would be a leak.
        write_scan(source / name / "label.nii.gz", np.roll(phantom_ct()[1], number, axis=2))
    build_prepared(folder / "prepared", source, PreparationConfig(grid_dhw=(32, 32, 32)))


def run(folder: Path, tracking: str) -> dict[str, dict]:
    """Return exit code and output of each job."""
    (folder / "tracking.env").write_text(f"MLFLOW_TRACKING_URI={tracking}\n")
    environment = {
        "VOXSIAM_VENV": sys.prefix,
        "VOXSIAM_LOCAL": LOCAL,
        "VOXSIAM_TRACKING": str(folder / "tracking.env"),
    }
    jobs: dict[str, dict] = {}

    def submit_next(*command: str) -> SlurmJob:
        where = ("--data", str(folder / "prepared"), "--workspace", str(folder / "workspace"))
        return submit(folder, str(FILE), *command, *where, environment=environment)

    def end(name: str, job: SlurmJob) -> None:
        jobs[name] = {"code": job.wait(WITHIN_S), "said": job.said()}

    stopped = submit_next(*STUDY)
    stopped.wait_until_said(": epoch 1/4", WITHIN_S)
    # What Slurm does five minutes before the job's time is up.
    call("scancel", "--batch", "--signal=USR1", stopped.number)
    end("stopped", stopped)
    end("resumed", submit_next(*STUDY))
    end("undisturbed", submit_next("study", "rerun", ROW))
    return jobs


def main(folder: Path) -> None:
    """Bring up Slurm, a shared prepared set and a tracking server that the nodes reach."""
    prepare(folder)
    with (
        slurm_cluster(folder / "slurm"),
        # All interfaces of a host that no other can reach.
        serving(folder, host="0.0.0.0", allowed_hosts=(ADDRESS,)) as server,  # noqa: S104
    ):
        outcome = run(folder, f"http://{ADDRESS}:{server.server.port}")
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
