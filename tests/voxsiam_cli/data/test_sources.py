import hashlib
import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.small_data_sets import write_case_folders
from tests.source_miniatures import (
    abdomen,
    write_amos22,
    write_btcv,
    write_flare22,
    write_pancreas_ct,
)
from voxsiam.errors import UserError
from voxsiam_cli.data.commands import app
from voxsiam_data.prepared.prepared_set import open_prepared
from voxsiam_data.sources.download import catalogue

GRID = ("--grid", "16x16x16")


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=True)


def refused(*arguments) -> UserError:
    error = run(*arguments).exception
    assert isinstance(error, UserError), error
    return error


@pytest.fixture
def no_ray(monkeypatch):
    """Anything that gets as far as Ray has not been refused in time."""

    def fail(*_):
        raise AssertionError("Ray was started")

    monkeypatch.setattr("voxsiam_cli.data.prepared.ray_instance", fail)


@pytest.fixture
def session_ray(monkeypatch, ray_instance):
    """Prepare in the Ray instance of the test session instead of starting one."""
    monkeypatch.setattr("voxsiam_cli.data.prepared.ray_instance", lambda _: nullcontext())


@pytest.fixture
def downloads(tmp_path):
    write_pancreas_ct(tmp_path / "downloads")
    return write_btcv(tmp_path / "downloads")


def test_sources_are_listed():
    listed = run("sources")
    assert listed.exit_code == 0
    for entry in catalogue.CATALOGUE:
        for text in (entry.name, entry.download, entry.page, entry.terms, entry.size):
            assert text in listed.output
    rows = json.loads(run("sources", "--json").output)
    assert [row["name"] for row in rows] == [entry.name for entry in catalogue.CATALOGUE]
    assert rows[0]["downloads"][0]["sha256"].startswith("1790e252")


def test_fetch_explains_what_needs_a_registration(tmp_path):
    error = refused("fetch", "btcv", "-o", tmp_path)
    assert "registration" in error.what
    assert error.where == "https://www.synapse.org/Synapse:syn3193805"
    assert "RawData.zip" in error.fix


def test_fetch_says_which_name_was_meant(tmp_path):
    assert "'zenodo-labels'" in refused("fetch", "zenodo-label", "-o", tmp_path).fix


def test_fetch_tells_where_the_files_are(tmp_path, monkeypatch):
    file = tmp_path / "cropping.csv"
    file.write_bytes(b"here already")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    known = catalogue.Download("cropping.csv", "http://127.0.0.1:9/none", sha256)
    rows = (replace(catalogue.CATALOGUE[0], downloads=(known,)),)
    monkeypatch.setattr("voxsiam_data.sources.download.fetch.CATALOGUE", rows)
    done = run("fetch", "zenodo-labels", "-o", tmp_path)
    assert done.exit_code == 0
    assert str(file) in done.output
    assert "CC BY 4.0" in done.output


BAD = {
    "no source": ((), "SOURCE", "no data set is named"),
    "folder without --paper": (("x", "--btcv", "y"), "--btcv", "goes with --paper only"),
    "gap without --paper": (("x", "--allow-missing"), "--allow-missing", "goes with --paper"),
    "unknown protocol": (("x", "--protocol", "flare"), "label protocol", "no label protocol"),
    "protocol of the paper": (("x", "--paper", "--protocol", "btcv"), "--protocol", "Zenodo's"),
    "paper without folders": (("--paper",), "--pancreas-ct", "have no folder"),
    "paper without one": (
        ("--paper", "--pancreas-ct", "x", "--zenodo", "y"),
        "--btcv",
        "have no folder",
    ),
    "absent": (("--paper", "absent"), "absent", "cannot be opened"),
}


@pytest.mark.parametrize("name", BAD)
def test_options_that_do_not_go_together(name, tmp_path, monkeypatch, no_ray):
    monkeypatch.chdir(tmp_path)
    arguments, where, words = BAD[name]
    error = refused("prepare", *arguments, "-o", "out", *GRID)
    assert error.where == where
    assert words in error.what
    assert not (tmp_path / "out").exists()


def test_the_paper_with_gaps_is_refused_before_anything_starts(downloads, tmp_path, no_ray):
    error = refused("prepare", downloads, "--paper", "-o", tmp_path / "out", *GRID)
    assert "5 are there" in error.what
    assert "--allow-missing" in error.fix


def test_pancreas_ct_and_btcv_are_prepared_together(downloads, tmp_path, session_ray):
    out = tmp_path / "out"
    (stray := downloads / "stray.nrrd").write_bytes(b"NRRD0004")
    arguments = ("--paper", "--allow-missing", "-o", out, "--grid", "32x16x16")
    done = run("prepare", downloads, *arguments)
    assert done.exit_code == 1, done.exception
    stray.unlink()
    assert "note: 5 of the paper's 90 cases" in done.output
    assert "not used: stray.nrrd (no case" in done.output
    assert "PANCREAS_0025 has no scan: TCIA withdrew it" in done.output
    assert str(len(json.loads((out / "paper.json").read_text())["cases"])) == "5"
    prepared = open_prepared(out)
    assert [(case.patient_id, case.source) for case in prepared.cases] == [
        ("PANCREAS_0002", "pancreas-ct"),
        ("PANCREAS_0003", "pancreas-ct"),
        ("BTCV_0001", "btcv"),
        ("BTCV_0002", "btcv"),
        ("BTCV_0061", "btcv"),
    ]
    for case in prepared.cases:
        assert len(case.annotated) == 8
        native = prepared.load_native(case.case_id)
        np.testing.assert_array_equal(native.label, abdomen(0)[1].transpose(2, 1, 0))
        volume = prepared.load(case.case_id)
        liver_hu = volume.image[volume.label == 5].mean() * 450 - 200
        assert 90 < liver_hu < 110


def test_the_protocol_reaches_the_labels(tmp_path, session_ray):
    root = write_flare22(tmp_path / "FLARE22")
    out = tmp_path / "out"
    out.mkdir()
    (out / "paper.json").write_text("of an earlier set")
    done = run("prepare", root, "--protocol", "flare22", "-o", out, *GRID)
    assert done.exit_code == 0, done.exception
    native = open_prepared(out).load_native("FLARE22_Tr_0001")
    np.testing.assert_array_equal(native.label, abdomen(0)[1].transpose(2, 1, 0))
    assert not (out / "paper.json").exists()


def test_a_case_without_its_label_is_left_out_where_that_is_asked_for(tmp_path, session_ray):
    root = write_case_folders(tmp_path / "clinic")
    (root / "bert" / "label.nii.gz").unlink()
    error = refused("prepare", root, "-o", tmp_path / "out", *GRID)
    assert error.where == str(root / "bert")
    assert "2 good cases: --leave-out-refused" in error.fix
    done = run("prepare", root, "-o", tmp_path / "out", "--leave-out-refused", *GRID)
    assert done.exit_code == 0, done.exception
    assert "refused: bert: " in done.output
    prepared = open_prepared(tmp_path / "out")
    assert [case.case_id for case in prepared.cases] == ["anna", "carl"]
    assert [case.case_id for case in prepared.left_out] == ["bert"]


def test_notes_of_a_source_are_shown(tmp_path, no_ray):
    done = run("prepare", write_amos22(tmp_path), "-o", tmp_path / "out", *GRID)
    assert isinstance(done.exception, AssertionError)
    assert "note: left out, MRI: 0507" in done.output


def test_boxes_of_zenodo_are_read_where_they_are_asked_for(downloads, tmp_path, no_ray):
    (downloads / "cropping.csv").write_text("id\n")
    arguments = (downloads, "--paper", "--allow-missing", "-o", tmp_path / "out", *GRID)
    assert isinstance(run("prepare", *arguments).exception, AssertionError)
    error = refused("prepare", *arguments, "--set", "crop=box")
    assert error.where == str(downloads / "cropping.csv")
