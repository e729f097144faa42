"""A workspace from Python says what its report and its runs say."""

import io
import logging

import pandas as pd
import plotly.graph_objects as go
import pytest

from tests.voxsiam_dashboards.evidence_store import EvidenceStore
from tests.voxsiam_dashboards.study_store import STUDY_ID
from voxsiam.errors import UserError
from voxsiam_api import open_workspace
from voxsiam_cli.app import app
from voxsiam_dashboards.tables.files import to_csv


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return EvidenceStore(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="module")
def study(store):
    return open_workspace(str(store.folder)).study("table3")


def test_a_workspace_lists_its_studies(store):
    opened = open_workspace(store.folder)
    assert opened.path == store.folder
    assert list(opened.studies["study_id"]) == [STUDY_ID]
    assert list(opened.studies["kind"]) == ["study"]


def test_rows_are_those_of_the_reports_table(study):
    written = pd.read_csv(io.StringIO(to_csv(study.report)))
    assert list(study.rows["row"]) == list(written["row"])
    for name, column in (("dsc", "dsc"), ("hd95_grid", "hd95_grid_voxels")):
        ours, theirs = study.rows[name].to_numpy(float), written[f"{column}_mean"].to_numpy(float)
        assert ours == pytest.approx(theirs, nan_ok=True)


def test_runs_and_curves_are_those_of_mlflow(store, study):
    runs = study.runs
    assert {run.run_id for run in store.finished} <= set(runs["run_id"])
    finished = runs[runs["status"] == "FINISHED"]
    assert finished["dsc"].notna().all()
    curves = study.curves
    assert list(curves.columns) == ["row", "seed", "metric", "step", "value"]
    assert {"train/loss", "validation/dsc"} <= set(curves["metric"])
    assert not curves.duplicated(["row", "seed", "metric", "step"]).any()


def test_scores_are_the_file_beside_the_report(store, study):
    app(["study", "report", STUDY_ID, "-w", str(store.folder)], standalone_mode=False)
    written = pd.read_csv(
        store.folder / "reports" / STUDY_ID / "scores.csv", dtype={"case": str, "patient": str}
    )
    pd.testing.assert_frame_equal(study.scores, written, check_dtype=False)


def test_tables_and_figures_are_those_of_the_report(study):
    titles = list(study.tables)
    assert titles[0].startswith("Ours beside the paper")
    assert list(study.tables[titles[0]].iloc[:, 0]) == list(study.rows["row"])
    assert {"organs", "curves"} <= set(study.figures)
    assert all(isinstance(figure, go.Figure) for figure in study.figures.values())


def test_what_is_not_there_is_named(store, tmp_path):
    with pytest.raises(UserError, match="tabel3"):
        open_workspace(store.folder).study("tabel3")
    with pytest.raises(UserError):
        open_workspace(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
