"""S9: nothing that names a patient comes out: not from headers, not from the paths of a source.

A case's name is the name of its file or folder; it does come out, and docs/security.md says so.
"""

import gzip
import io
import zipfile

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.dicom_files import PATIENT, write_series
from tests.nifti_files import phantom_ct, ras_affine
from tests.prepared_folder import build_prepared
from tests.small_data_sets import SMALL
from tests.voxsiam.inference.small_models import AFFINE
from tests.voxsiam.orchestration.toy_study import make_plan, make_run
from voxsiam.orchestration.runs.execute import execute_run
from voxsiam.orchestration.runs.plan import PlannedRun, RunData
from voxsiam.orchestration.studies.ledger import Ledger
from voxsiam.orchestration.tracking.parent_run import parent_of_study
from voxsiam.orchestration.tracking.study_tracker import StudyTracker
from voxsiam.orchestration.workspace import Workspace
from voxsiam.training.context import SingleProcess
from voxsiam.types import Split
from voxsiam_cli.app import app
from voxsiam_dashboards.reports.study import write_report
from voxsiam_dashboards.store.study_reading import load_study
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_experiments.studies import STUDIES

HEADER = {"descrip": PATIENT[0], "db_name": PATIENT[1], "aux_file": PATIENT[2]}
SOURCE = "Mueller-Hans-Ward-7"
MARKS = (*PATIENT, SOURCE)


def write_named(path, array):
    """Write a NIfTI file whose header names the patient wherever it can."""
    image = nibabel.Nifti1Image(array, ras_affine(), dtype=array.dtype)  # pyright: ignore
    for field, text in HEADER.items():
        image.header[field] = text
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)  # pyright: ignore
    assert all(text.encode() in gzip.decompress(path.read_bytes()) for text in HEADER.values())


def contents(path):
    """A file's bytes, and what is packed in it."""
    raw = path.read_bytes()
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    if zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(path) as packed:
            yield from (packed.read(name) for name in packed.namelist())


def leaks(folder, source):
    return {
        f"{path.relative_to(folder)}: {mark}"
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(source)
        for content in (*contents(path), str(path.relative_to(folder)).encode())
        for mark in MARKS
        if mark.encode() in content
    }


def test_the_search_finds_what_is_packed(tmp_path):
    write_named(tmp_path / "ct.nii.gz", np.zeros((4, 4, 4), np.int16))
    np.savez_compressed(tmp_path / "a.npz", case_ids=np.frombuffer(SOURCE.encode(), np.uint8))
    assert leaks(tmp_path, tmp_path / "none") == {
        *(f"ct.nii.gz: {text}" for text in HEADER.values()),
        f"a.npz: {SOURCE}",
    }


def write_source(source):
    """Eight cases and a DICOM series of a patient, below a folder with his name."""
    for seed, name in enumerate("abcdefgh"):
        image, label = phantom_ct(seed=seed)
        write_named(source / "clinic" / name / "image.nii.gz", image)
        write_named(source / "clinic" / name / "label.nii.gz", np.roll(label, seed, axis=2))
    write_series(source / "series", phantom_ct((21, 18, 17))[0].transpose(2, 1, 0), AFFINE)
    return source


class Cases:
    """The cases of a prepared set, as a run reads them."""

    def __init__(self, prepared):
        self.prepared = prepared

    def __call__(self, case_id):
        return self.prepared.load(case_id)

    def native(self, case_id):
        return self.prepared.load_native(case_id)


def test_no_output_names_a_patient(tmp_path):
    """Every step in this process: prepared set, run, MLflow, report, prediction."""
    source, workspace = write_source(tmp_path / SOURCE), Workspace(tmp_path / "w")
    prepared = build_prepared(tmp_path / "prepared", source / "clinic", SMALL)
    split = Split(train=tuple("abcd"), validation=("e",), test=("f", "g"))
    data = RunData(fingerprint=prepared.fingerprint, name="clinic", kind="real", preparation=SMALL)
    run = make_run(workspace, epochs=1).model_copy(update={"split": split, "data": data})
    trial = PlannedRun(row="feature (1)", run=run)
    plan = make_plan(workspace).model_copy(
        update={"trials": (trial,), "prepared": prepared.root, "data_kind": "real"}
    )
    Ledger.create(workspace, plan)
    tracker = StudyTracker(workspace, parent_of_study(plan))
    tracker.run_started(trial)
    execute_run(run, Cases(prepared), SingleProcess(lambda _: None))
    tracker.run_ended(trial, "finished", None)
    results = load_study(workspace.tracking_uri, tracker.parent)
    assert [each.finished for each in results.trials] == [True]
    write_report(build_table(STUDIES["table3"], results), workspace.report("table3"))
    command = ["predict", "-i", str(source / "series"), "-o", str(tmp_path / "organs")]
    command += ["--model", str(run.directory / "model"), "--report", str(tmp_path / "run.json")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"mlflow.db", "meta.json", "run.json", "index.html", "overlay.npz"} <= written
    assert not leaks(tmp_path, source)
    assert not [mark for mark in PATIENT if mark in done.output]


@pytest.mark.slow
def test_no_output_of_the_whole_way_names_a_patient(program, tmp_path):
    source = write_source(tmp_path / SOURCE)
    commands = (
        ("data", "check", str(source / "clinic"), "-o", "pages"),
        ("data", "prepare", str(source / "clinic"), "-o", "prepared", "--grid", "32x32x32"),
        ("train", "unet3d", "--preset", "tiny", "--set", "epochs=1", "--data", "prepared"),
        ("predict", "-i", str(source / "series"), "-o", "organs", "--report", "organs/run.json",
         "--model", "train-unet3d/unet3d"),
    )  # fmt: skip
    for number, command in enumerate(commands):
        checks = "check" in command
        process = program(*command, workspace=None if checks else "w")
        said = process.stdout.read()
        # The organs of so small scans are of no patient's size, and that is told.
        assert process.wait() == (2 if checks else 0), said
        # What the user typed may be shown to the user again.
        (tmp_path / f"log-{number}").write_text(said.replace(str(source), "").replace(SOURCE, ""))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"mlflow.db", "prepared.json", "run.json", "index.html"} <= {p.name for p in written}
    assert not leaks(tmp_path, source)
