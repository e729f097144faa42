"""S1: whatever file of ours is replaced by a program, it is refused and not run."""

import gzip
import json
import shutil
import subprocess
import sys
import zlib

import pytest
import torch

from tests.security.gadgets import disguises, gadgets
from tests.voxsiam.inference.small_models import CPU, describe
from tests.voxsiam.orchestration.toy_study import ToyCases, make_plan
from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.inference.model_folder import load_model, write_description
from voxsiam.orchestration.cluster.ray_instance import Capacity
from voxsiam.orchestration.runs.manifest import read_manifest
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.studies.tune_run import run_study
from voxsiam.orchestration.sweeps.ledger import SweepLedger
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.checkpoint import CheckpointFolder, TrainingState, _sha256_json, restore
from voxsiam.volumes.volume_file import read_volume
from voxsiam_dashboards.store.trial_files import (
    read_cases,
    read_features,
    read_object,
    read_overlay,
    read_prediction,
)
from voxsiam_data.prepared.entries import NATIVE_LABEL, read_facts, read_native_label
from voxsiam_data.prepared.prepared_set import open_prepared, read_arrays
from voxsiam_data.prepared.record import PreparedCase
from voxsiam_data.splits.split_file import read_splits
from voxsiam_data.text_files import read_csv_rows, read_json_object

A_CASE = PreparedCase(
    case_id="a", patient_id="a", source="", key="0" * 16, shape=(1, 1, 1), spacing_mm=(1, 1, 1),
    native_shape=(1, 1, 1), native_spacing_mm=(1, 1, 1), organ_voxels={}, annotated=(),
)  # fmt: skip

REFUSALS = (UserError, ValueError, OSError, EOFError, zlib.error)


def open_model(weights):
    """Load a model whose description accepts the weights."""
    write_description(weights.parent, describe(), sha256_of(weights))
    return load_model(weights.parent, CPU)


def open_checkpoint(file):
    """Restore from a whole checkpoint of which one file was replaced and the sums made to fit."""
    module = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    checkpoints = CheckpointFolder(file.parent / "checkpoints")
    checkpoint = checkpoints.save(TrainingState(1, "run", ()), module, optimiser)
    shutil.copyfile(file, checkpoint / file.name)
    state = checkpoint / "state.json"
    content = json.loads(state.read_text())["content"]
    content["files"][file.name] = sha256_of(file)
    state.write_text(json.dumps({"content": content, "sha256": _sha256_json(content)}))
    checkpoints.newest("run")  # passes it over, if it looks into the file
    return restore(checkpoint, module, optimiser)


# What is read, and how it is opened; the name is the file's. None counts as refused.
READERS = {
    "scan.nii.gz": read_volume,
    "scan.nrrd": read_volume,
    "scan.mha": read_volume,
    "split.csv": read_splits,
    "split.json": read_splits,
    "split.pkl": read_splits,
    "patients.csv": lambda path: read_csv_rows(path, ("case_id", "patient_id")),
    "dataset.json": read_json_object,
    "ledger.json": Ledger.read,
    "plan.json": lambda path: SweepLedger.read(Workspace(path.parent / "w"), path.parent),
    "manifest.json": read_manifest,
    "prepared.json": lambda path: open_prepared(path.parent),
    "meta.json": lambda path: read_facts(path.parent),
    "image.npy": lambda path: read_arrays(path.parent, A_CASE),
    NATIVE_LABEL: lambda path: read_native_label(path.parent, (1, 1, 1)),
    "overlay.npz": read_overlay,
    "features.npz": read_features,
    "predictions.npz": lambda path: read_prediction(path, "a"),
    "cases.csv": read_cases,
    "result.json": read_object,
    "model.json": lambda path: load_model(path.parent, CPU),
    "model.safetensors": open_model,
    "weights.safetensors": open_checkpoint,
    "optimiser.safetensors": open_checkpoint,
    "state.json": lambda path: CheckpointFolder(path.parent.parent).newest("run"),
}


@pytest.mark.parametrize("number", range(10))
def test_each_gadget_runs_where_pickles_are_read(tmp_path, number):
    mark = tmp_path / "mark"
    content = list(gadgets(mark).values())[number]
    code = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    # Its children hold the pipe of its errors: this waits for them, too (os.popen does not).
    subprocess.run([sys.executable, "-c", code], input=content, check=True, capture_output=True)
    assert mark.exists()


def test_a_disguised_gadget_runs_where_arrays_may_be_objects(tmp_path):
    import numpy as np

    mark = tmp_path / "mark"
    for ending in ("npy", "npz"):
        file = tmp_path / f"a.{ending}"
        file.write_bytes(disguises(gadgets(mark)["exec"])[ending])
        loaded = np.load(file, allow_pickle=True)
        _ = loaded["image"] if ending == "npz" else loaded
        assert mark.exists()
        mark.unlink()


@pytest.mark.parametrize("name", READERS)
def test_nothing_that_we_read_runs_a_program(tmp_path, name):
    mark, path = tmp_path / "mark", tmp_path / "place" / name
    path.parent.mkdir()
    tried = 0
    for gadget in gadgets(mark).values():
        for content in disguises(gadget).values():
            path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
            try:
                assert READERS[name](path) is None
            except REFUSALS:
                tried += 1
    assert tried == 40 or name in ("state.json", "meta.json")
    assert not mark.exists()


@pytest.mark.slow
def test_what_tune_left_in_a_workspace_is_not_loaded(ray_instance, tmp_path):
    """Ray's libraries keep pickles of their own for a restore that we never ask for."""
    workspace, mark = Workspace(tmp_path / "w"), tmp_path / "mark"
    capacity = Capacity.of_cluster()
    ledger = Ledger.create(workspace, make_plan(workspace, rows=1))
    assert run_study(ledger, ToyCases(), workspace, capacity, []) == []
    left = [path for path in workspace.ray.rglob("*") if path.is_file()]
    assert any(path.suffix == ".pkl" for path in left)
    for path in left:
        path.write_bytes(gadgets(mark)["exec"])
    again = Ledger.create(Workspace(tmp_path / "w"), make_plan(workspace, rows=1))
    again.plan.trials[0].run.result_file.unlink()
    assert run_study(again, ToyCases(), workspace, capacity, []) == []
    assert again.unfinished() == []
    assert not mark.exists()
