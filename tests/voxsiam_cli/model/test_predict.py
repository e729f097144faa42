import json
import shutil

import nibabel
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tests.dicom_files import PATIENT, write_series
from tests.nifti_files import phantom_ct, write_scan
from tests.voxsiam.inference.small_models import AFFINE, write_ct, write_random_model
from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam_cli.model.predict import predict
from voxsiam_data.labels.dataset_json import read_protocol
from voxsiam_data.labels.protocols import PROTOCOLS

app = typer.Typer()
app.command()(predict)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a model, a CT, and nothing else."""
    write_random_model(tmp_path / "model")
    write_ct(tmp_path / "ct.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    """Return what was printed; bad input is the UserError that the program shows."""
    words = ["--model", "model", *map(str, arguments)]
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def labels(path):
    return np.asarray(nibabel.load(path).dataobj)  # pyright: ignore


def test_one_ct_to_one_file(here):
    done = run("-i", "ct.nii.gz", "-o", "deep/new/organs.nii.gz")
    assert done.exit_code == 0
    assert labels(here / "deep/new/organs.nii.gz").shape == (21, 18, 17)
    shown = done.stdout
    assert "left kidney" in shown
    assert "model: model (run " in shown
    assert "trained on phantom data, not on patients" in shown
    assert sorted(p.name for p in here.iterdir()) == ["ct.nii.gz", "deep", "model"]


def test_a_folder_of_every_kind_of_case(here):
    shutil.copy(here / "ct.nii.gz", here / "ct_0000.nii.gz")
    inputs = here / "inputs"
    inputs.mkdir()
    (here / "ct_0000.nii.gz").rename(inputs / "a_0000.nii.gz")
    (inputs / "b").mkdir()
    shutil.copy(here / "ct.nii.gz", inputs / "b" / "image.nii.gz")
    write_series(inputs / "c", phantom_ct((21, 18, 17))[0].transpose(2, 1, 0), AFFINE)
    done = run("-i", inputs, "-o", "out", "--probabilities")
    assert done.exit_code == 0
    first = labels(here / "out/a.nii.gz")
    np.testing.assert_array_equal(first, labels(here / "out/b.nii.gz"))
    assert first.any()
    names = {str(p.relative_to(here / "out")) for p in (here / "out").rglob("*") if p.is_file()}
    assert names == {
        *("dataset.json", "a.nii.gz", "b.nii.gz", "c.nii.gz"),
        *("probabilities/a.nii.gz", "probabilities/b.nii.gz", "probabilities/c.nii.gz"),
    }
    assert "predict: 3 of 3" in done.stdout


def test_a_bad_case_is_named_and_the_others_are_done(here):
    inputs = here / "inputs"
    for name in ("a", "b", "c"):
        write_ct(inputs / f"{name}.nii.gz")
    (inputs / "b.nii.gz").write_bytes((inputs / "a.nii.gz").read_bytes()[:-9])
    done = run("-i", inputs, "-o", "out", "--report", "out/run.json")
    assert done.exit_code == 1
    assert "1 of 3 inputs failed: b" in done.stdout
    assert "inputs/b.nii.gz" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert sorted(p.name for p in (here / "out").iterdir()) == [
        "a.nii.gz",
        "c.nii.gz",
        "dataset.json",
        "run.json",
    ]
    report = json.loads((here / "out/run.json").read_text())
    assert [case["name"] for case in report["cases"]] == ["a", "c"]
    (failed,) = report["failed"]
    assert failed["name"] == "b"
    assert "cannot be read to its end" in failed["error"]


def test_an_unforeseen_failure_of_one_case_does_not_stop_the_others(here, monkeypatch):
    from voxsiam.inference import predict as module

    real = module.read_image

    def read(path, *more):
        if path.name == "a.nii.gz":
            raise RuntimeError("weather")
        return real(path, *more)

    monkeypatch.setattr(module, "read_image", read)
    for name in ("a", "b"):
        write_ct(here / "inputs" / f"{name}.nii.gz")
    done = run("-i", "inputs", "-o", "out")
    assert done.exit_code == 1
    assert "RuntimeError: weather" in done.stderr
    assert (here / "out/b.nii.gz").is_file()


def test_ctrl_c_stops_all(here, monkeypatch):
    def stop(path, *more):
        raise KeyboardInterrupt

    monkeypatch.setattr("voxsiam.inference.predict.read_image", stop)
    for name in ("a", "b"):
        write_ct(here / "inputs" / f"{name}.nii.gz")
    assert run("-i", "inputs", "-o", "out").exit_code == 130
    assert not list((here / "out").iterdir())


def test_ctrl_c_inside_a_library_stops_all(here, monkeypatch):
    def stop(path, *more):
        raise RuntimeError("interrupted") from KeyboardInterrupt()

    monkeypatch.setattr("voxsiam.inference.predict.read_image", stop)
    for name in ("a", "b"):
        write_ct(here / "inputs" / f"{name}.nii.gz")
    with pytest.raises(RuntimeError, match="interrupted"):
        run("-i", "inputs", "-o", "out")


def test_predicting_again_replaces_the_result(here):
    run("-i", "ct.nii.gz", "-o", "out")
    first = sha256_of(here / "out/ct.nii.gz")
    (here / "out/ct.nii.gz").write_bytes(b"old")
    run("-i", "ct.nii.gz", "-o", "out")
    assert sha256_of(here / "out/ct.nii.gz") == first


def test_the_report_says_what_made_the_labels_and_nothing_on_the_patient(here):
    series = here / "series"
    write_series(series, phantom_ct((21, 18, 17))[0].transpose(2, 1, 0), AFFINE)
    run("-i", "series", "-o", "organs.nii.gz", "--report", "reports/run.json", "--device", "cpu")
    text = (here / "reports/run.json").read_text()
    report = json.loads(text)
    (case,) = report["cases"]
    assert case["output"] == "organs.nii.gz"
    assert case["output_sha256"] == sha256_of(here / "organs.nii.gz")
    assert report["model"]["weights_sha256"] == sha256_of(here / "model/model.safetensors")
    assert report["model"]["folder"] == "model"
    assert set(report["versions"]) >= {"voxsiam", "torch", "python"}
    for word in (*PATIENT, "1.2.826", str(here)):
        assert word not in text


def test_a_scan_without_any_organ_is_predicted_with_a_warning(here):
    from safetensors.torch import load_file, save_file

    from tests.voxsiam.inference.small_models import describe
    from voxsiam.inference.model_folder import write_description

    weights = here / "model/model.safetensors"
    tensors = load_file(weights)
    tensors["output.bias"][0] = 1e4
    save_file(tensors, weights)
    write_description(here / "model", describe(), sha256_of(weights))
    done = run("-i", "ct.nii.gz", "-o", "organs.nii.gz")
    assert done.exit_code == 0
    assert not labels(here / "organs.nii.gz").any()
    assert "warning: ct: no organ was found" in done.stdout


def write(name, array):
    return lambda here: write_scan(here / name, array, AFFINE)


IMAGE, _ = phantom_ct((21, 18, 17))
NAN = np.where(IMAGE.max() == IMAGE, np.nan, IMAGE).astype(np.float32)


def truncate(here):
    path = here / "ct.nii.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_weights(here):
    write_random_model(here / "other", seed=1)
    shutil.copy(here / "other/model.safetensors", here / "model")


def alter(here):
    path = here / "model/model.json"
    path.write_text(path.read_text().replace("-200.0", "-150.0"))


def nothing(here):
    pass


SOUND = ("-i", "ct.nii.gz", "-o", "organs.nii.gz")
BAD_CALLS = {
    "all air": (write("ct.nii.gz", np.full_like(IMAGE, -1000)), SOUND, "constant"),
    "one slice": (write("ct.nii.gz", IMAGE[:, :, :1]), SOUND, "not a 3D scan"),
    "2D": (write("ct.nii.gz", IMAGE[:, :, 0]), SOUND, "not a 3D scan"),
    "4D": (write("ct.nii.gz", np.stack([IMAGE, IMAGE], -1)), SOUND, "not a 3D scan"),
    "NaN": (write("ct.nii.gz", NAN), SOUND, "NaN"),
    "truncated": (truncate, SOUND, "read to its end"),
    "absent": (nothing, ("-i", "no.nii.gz", "-o", "o.nii.gz"), "does not exist"),
    "folder without scans": (nothing, ("-i", "model", "-o", "out"), "holds no scan"),
    "output is the input": (nothing, ("-i", "ct.nii.gz", "-o", "ct.nii.gz"), "overwritten"),
    "output folder holds the input": (nothing, ("-i", "ct.nii.gz", "-o", "."), "overwritten"),
    "output inside a file": (nothing, ("-i", "ct.nii.gz", "-o", "ct.nii.gz/x.nii.gz"), "written"),
    "output where nobody can write": (
        nothing,
        ("-i", "ct.nii.gz", "-o", "/proc/voxsiam/x.nii.gz"),
        "cannot be written",
    ),
    "report is the input": (nothing, (*SOUND, "--report", "ct.nii.gz"), "report would replace"),
    "report is the output": (nothing, (*SOUND, "--report", "organs.nii.gz"), "report would"),
    "report is a folder": (nothing, (*SOUND, "--report", "model"), "report would replace"),
    "no such device": (nothing, (*SOUND, "--device", "tpu"), "no device 'tpu'"),
    "unknown model": (nothing, (*SOUND, "--model", "table9/best"), "There is no model"),
    "folder without model": (
        lambda here: (here / "bare").mkdir(),
        (*SOUND, "--model", "bare"),
        "not a model folder",
    ),
    "weights of another model": (other_weights, SOUND, "belong to another model"),
    "altered description": (alter, SOUND, "was altered"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls_are_refused_in_three_parts(here, name):
    change, arguments, words = BAD_CALLS[name]
    change(here)
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=words) as caught:
        run(*arguments)
    assert caught.value.where
    assert caught.value.fix
    after = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert after == before


def test_a_folder_of_results_says_what_its_values_mean(here):
    write_ct(here / "inputs" / "a.nii.gz")
    assert run("-i", "inputs", "-o", "out").exit_code == 0
    found = read_protocol(here / "out" / "dataset.json")
    assert found.values_for() == PROTOCOLS["voxsiam"].values_for()
    (here / "out" / "dataset.json").write_text("somebody else's")
    assert run("-i", "inputs", "-o", "out").exit_code == 0
    assert (here / "out" / "dataset.json").read_text() == "somebody else's"
