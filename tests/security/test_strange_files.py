"""S5: what is no file, or far too large for one, neither stops a reader nor fills its memory.

Each reader is given, under the name of its file: a pipe that nobody writes into, links to two
devices without end, a folder, a file of 4 TiB that takes no room, and nothing.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.security import test_code_execution
from tests.security.test_code_execution import CPU, CheckpointFolder, _sha256_json
from tests.voxsiam.inference.small_models import describe
from tests.voxsiam.orchestration.toy_study import make_plan
from voxsiam.errors import UserError
from voxsiam.inference.model_folder import load_model, write_description
from voxsiam.models.tensor_file import read_tensors
from voxsiam.orchestration.runs.heartbeat import read_heartbeats
from voxsiam.orchestration.runs.incidents import IncidentReader, note_incident
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.sweeps.ledger import _read
from voxsiam.orchestration.sweeps.plan import SweepTrial
from voxsiam.orchestration.tracking.outbox import Outbox
from voxsiam.orchestration.workspace import Workspace
from voxsiam.regular_files import open_to_append
from voxsiam.training.checkpoint import restore
from voxsiam_dashboards.evidence.run_files import read_epochs, read_lines
from voxsiam_dashboards.reports.seal import read_seal
from voxsiam_data.prepared.file_index import FileIndex, known_file
from voxsiam_data.prepared.intensity_statistics import known_statistics
from voxsiam_experiments import settled_numerics


def open_model(weights):
    """Load a model whose description knows the weights by a sum that none has."""
    write_description(weights.parent, describe(), "0" * 64)
    return load_model(weights.parent, CPU)


def open_checkpoint(file):
    """Look for a whole checkpoint where one file of it is this one."""
    folder = file.parent / "checkpoints" / "epoch-0001"
    folder.mkdir(parents=True)
    (folder / file.name).symlink_to(file)
    files = {"weights.safetensors": "0" * 64, "optimiser.safetensors": "0" * 64}
    for name in files.keys() - {file.name}:
        (folder / name).write_bytes(b"")
    content = {"epochs_done": 1, "run_id": "run", "records": [], "files": files}
    sealed = {"content": content, "sha256": _sha256_json(content)}
    (folder / "state.json").write_text(json.dumps(sealed))
    return CheckpointFolder(folder.parent).newest("run")


def restore_checkpoint(file):
    """Load a checkpoint that was whole a moment ago."""
    module = torch.nn.Linear(3, 2)
    for name in ("weights.safetensors", "optimiser.safetensors"):
        (file.parent / name).symlink_to(file)
    restore(file.parent, module, torch.optim.Adam(module.parameters()))
    return module


READERS = test_code_execution.READERS | {
    "model.safetensors": open_model,
    "weights.safetensors": open_checkpoint,
    "optimiser.safetensors": open_checkpoint,
    "restored": restore_checkpoint,
    "tensors": lambda path: read_tensors(path, {}, fix=""),
    "00001.json": lambda path: _read(path, SweepTrial),
    "0.json": lambda path: read_heartbeats(path.parent) or None,
    "untracked.jsonl": lambda path: Outbox(path).read() or None,
    "epochs.csv": read_epochs,
    "lines.csv": read_lines,
    "seal.json": lambda path: read_seal(path.parent),
    "source.nii.gz": known_file,
    "index.json": lambda path: FileIndex(path)._files or None,
    "statistics-1.json": lambda path: known_statistics(path.parent, 0, 1),
    "numerics.json": lambda path: settled_numerics._read(path) or None,
}

MEMORY_MB, SECONDS = 512, 3
SPARSE_BYTES = 4 * 2**40

CHILD = f"""
import json, os, resource, signal, sys
from pathlib import Path
from tests.security.test_code_execution import REFUSALS
from tests.security.test_strange_files import READERS

def tried(name, path):
    try:
        return 1 if READERS[name](path) is not None else 0
    except REFUSALS:
        return 0

def limited(name, path):
    "Read in a process of its own: its exit code, or the signal that ended it."
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
    signal.alarm({SECONDS} * 2)
    own = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (own + {MEMORY_MB} * 2**20,) * 2)
    code = 3
    try:
        code = tried(name, path)
    except MemoryError:
        code = 4
    finally:
        os._exit(code)

import torch
torch.optim.Adam(torch.nn.Linear(3, 2).parameters())  # imports a second's worth at its first use
paths = {{name: Path(path) for name, path in json.loads(sys.argv[1]).items()}}
print(json.dumps({{name: limited(name, path) for name, path in paths.items()}}))
"""


def sparse(path):
    with path.open("wb") as stream:
        stream.truncate(SPARSE_BYTES)


def listening(path):
    """A socket: what it is bound to stays when it is closed."""
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's whole path may have a hundred letters
        try:
            server.bind(path.name)
        finally:
            os.chdir(before)


STRANGE = {
    "a pipe": os.mkfifo,
    "/dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "/dev/urandom": lambda path: path.symlink_to("/dev/urandom"),
    "a terminal that nobody types into": lambda path: path.symlink_to("/dev/ptmx"),
    "a folder": os.mkdir,
    "a socket": listening,
    "4 TiB of nothing": sparse,
    "a link into nowhere": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_plausible_file_is_refused_at_once(tmp_path, child_environment, kind):
    paths = {}
    for number, name in enumerate(READERS):
        paths[name] = tmp_path / str(number) / "place" / name
        paths[name].parent.mkdir(parents=True)
        STRANGE[kind](paths[name])
    told = json.dumps({name: str(path) for name, path in paths.items()})
    run = subprocess.run(
        [sys.executable, "-c", CHILD, told],
        env=child_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    outcomes = json.loads(run.stdout.splitlines()[-1])
    # Codes: 0 refused, 1 read, 3 another error, 4 no memory; below 0 the signal that ended it.
    assert outcomes == dict.fromkeys(READERS, 0), run.stderr[-3000:]


LOCKS = {"a pipe": os.mkfifo, "a link": lambda path: path.symlink_to("precious")}


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_that_is_none_is_refused_and_its_target_left(tmp_path, kind):
    """A file that is opened to be locked is not emptied, whatever it leads to."""
    (tmp_path / "precious").write_text("of another")
    LOCKS[kind](tmp_path / "lock")
    ledger = Ledger(tmp_path / "ledger.json", make_plan(Workspace(tmp_path), rows=1), {})
    with pytest.raises((OSError, UserError)), ledger.held():
        raise AssertionError("it was held")
    assert (tmp_path / "precious").read_text() == "of another"


@pytest.mark.parametrize("kind", LOCKS)
def test_lines_are_added_to_no_file_of_another(tmp_path, kind):
    """And a pipe, into which one could write for as long as nobody reads, keeps nobody waiting."""
    (tmp_path / "precious").write_text("of another")
    LOCKS[kind](tmp_path / "incidents.txt")
    incidents = IncidentReader(tmp_path / "incidents.txt")
    note_incident(tmp_path / "incidents.txt", "a worker died")
    assert incidents.new() == []
    with pytest.raises(OSError):  # noqa: PT011 (which error depends on the kind)
        open_to_append(tmp_path / "incidents.txt")
    assert (tmp_path / "precious").read_text() == "of another"
    note_incident(tmp_path / "others.txt", "a worker  died")
    note_incident(tmp_path / "others.txt", "again")
    assert (tmp_path / "others.txt").read_text() == "a worker died\nagain\n"
