import json
import shutil

import pytest

from tests.source_miniatures import (
    write_btcv,
    write_label,
    write_pancreas_ct,
    write_patient,
    write_tcia_labels,
)
from voxsiam.errors import UserError
from voxsiam.volumes.label_files import LabelMap
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.output import write_paper_record
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.prepared.record import LeftOut
from voxsiam_data.sources.layouts import zenodo_labels
from voxsiam_data.sources.layouts.paper import NUM_CASES, PaperFolders, find_paper_cases


@pytest.fixture
def folders(tmp_path):
    """Two and three cases, in three downloads."""
    write_pancreas_ct(tmp_path / "tcia")
    write_btcv(tmp_path / "synapse")
    (tmp_path / "zenodo").mkdir()
    for source in ("tcia", "synapse"):
        for labels in (tmp_path / source).glob("label_*"):
            labels.rename(tmp_path / "zenodo" / labels.name)
    return PaperFolders(tmp_path / "tcia", tmp_path / "synapse", tmp_path / "zenodo")


def test_the_papers_lists():
    tcia, btcv = zenodo_labels.PANCREAS_CT.cases, zenodo_labels.BTCV.cases
    assert (len(tcia), len(btcv), NUM_CASES) == (43, 47, 90)
    assert {1, 15, 23, 36, 37, 49}.isdisjoint(tcia)
    assert {2, 14, 22, 24, 25, 35, 38, 48} <= tcia
    assert {11, 20, 41, 60, 71, 73, 81}.isdisjoint(btcv)
    assert {1, 10, 21, 40, 61, 70, 74, 80} <= btcv


def test_both_sources_in_one_manifest(folders):
    found = find_paper_cases(folders, allow_missing=True)
    assert [(c.case_id, c.patient_id, c.source) for c in found.manifest.cases] == [
        ("PANCREAS_0002", "PANCREAS_0002", "pancreas-ct"),
        ("PANCREAS_0003", "PANCREAS_0003", "pancreas-ct"),
        ("BTCV_0001", "BTCV_0001", "btcv"),
        ("BTCV_0002", "BTCV_0002", "btcv"),
        ("BTCV_0061", "BTCV_0061", "btcv"),
    ]
    labels = [case.label for case in found.manifest.cases]
    places = [label.place for label in labels if isinstance(label, LabelMap)]
    assert places == ["by_hu"] * 2 + ["by_header"] * 3
    assert found.notes[0] == "5 of the paper's 90 cases"
    assert found.manifest.root == folders.zenodo.parent


def test_one_folder_may_hold_all(folders):
    root = folders.zenodo.parent
    one = find_paper_cases(PaperFolders(root, root, root), allow_missing=True)
    assert one.manifest.cases == find_paper_cases(folders, allow_missing=True).manifest.cases


def test_what_is_missing_is_told_exactly(folders):
    with pytest.raises(UserError, match="Of the paper's 90 cases 5 are there") as caught:
        find_paper_cases(folders)
    for words in (
        "PANCREAS_0025 has no scan: TCIA withdrew it",
        "no Pancreas-CT scans 0004-0014, 0016-0022, 0024, 0026-0035, 0038-0048",
        "no label maps in label_tcia_multiorgan 0004-0014, 0016-0022, 0024-0035, 0038-0048",
        "no BTCV scans 0003-0010, 0021-0040, 0062-0070, 0074-0080",
        "no label maps in label_btcv_multiorgan 0003-0010, 0021-0040, 0062-0070, 0074-0080",
    ):
        assert words in caught.value.what
    assert "--allow-missing" in caught.value.fix
    assert all(str(f) in caught.value.where for f in (folders.zenodo, folders.btcv))


def complete(folders):
    """Link one sound file for every case: what is in the files is not looked at here."""
    labels = folders.zenodo / "label_tcia_multiorgan"
    for number in zenodo_labels.PANCREAS_CT.cases:
        patient = folders.pancreas_ct / "Pancreas-CT" / f"PANCREAS_{number:04}"
        patient.mkdir(exist_ok=True)
        if number > 3:
            shutil.copy(labels / "label0002.nii.gz", labels / f"label{number:04}.nii.gz")
            source = next((patient.parent / "PANCREAS_0002").rglob("*.dcm"))
            shutil.copy(source, patient / "1-001.dcm")
    for number in zenodo_labels.BTCV.cases:
        part = "Training" if number <= 40 else "Testing"
        images = folders.btcv / "RawData" / part / "img"
        labels = folders.zenodo / "label_btcv_multiorgan"
        for folder, name in ((images, "img"), (labels, "label")):
            target = folder / f"{name}{number:04}.nii.gz"
            if not target.exists():
                shutil.copy(next(folder.glob("*.nii.gz")), target)


def test_all_ninety_cases(folders):
    complete(folders)
    found = find_paper_cases(folders)
    assert len(found.manifest.cases) == 90
    assert len({case.patient_id for case in found.manifest.cases}) == 90
    assert found.notes == ("90 of the paper's 90 cases",)


def test_today_one_is_withdrawn(folders):
    complete(folders)
    for file in (folders.pancreas_ct / "Pancreas-CT" / "PANCREAS_0025").iterdir():
        file.unlink()
    found = find_paper_cases(folders)
    assert len(found.manifest.cases) == 89
    assert found.notes == (
        "89 of the paper's 90 cases",
        "PANCREAS_0025 has no scan: TCIA withdrew it",
    )


def no_pancreas(folders):
    shutil.rmtree(folders.pancreas_ct / "Pancreas-CT")


def no_btcv(folders):
    shutil.rmtree(folders.btcv / "RawData")


def no_zenodo(folders):
    for folder in folders.zenodo.iterdir():
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("spoil", "words", "left"),
    [
        (no_pancreas, "no PANCREAS_#### folders of Pancreas-CT", 3),
        (no_btcv, "no RawData/Training/img of BTCV", 2),
        (no_zenodo, "no label_tcia_multiorgan of Zenodo 1169361", 0),
        (no_zenodo, "no label_btcv_multiorgan of Zenodo 1169361", 0),
    ],
)
def test_absent_downloads(folders, spoil, words, left):
    spoil(folders)
    with pytest.raises(UserError, match=words):
        find_paper_cases(folders)
    if left:
        found = find_paper_cases(folders, allow_missing=True)
        assert len(found.manifest.cases) == left
        assert words in found.notes
    else:
        with pytest.raises(UserError, match=words):
            find_paper_cases(folders, allow_missing=True)


def test_defects_are_not_excused_by_allowing_gaps(folders):
    write_patient(folders.pancreas_ct / "again", 2)
    with pytest.raises(UserError, match="the same case as"):
        find_paper_cases(folders, allow_missing=True)
    shutil.rmtree(folders.pancreas_ct / "again")
    write_label(folders.zenodo / "label_btcv_multiorgan", "label0011.nii.gz", "zenodo")
    with pytest.raises(UserError, match="has no case 0011"):
        find_paper_cases(folders, allow_missing=True)


def test_cases_beside_the_papers_are_passed_over(folders):
    write_patient(folders.pancreas_ct, 49)
    write_tcia_labels(folders.zenodo, [4])
    found = find_paper_cases(folders, allow_missing=True)
    assert len(found.manifest.cases) == 5


def test_a_folder_that_is_not_there(folders, tmp_path):
    away = PaperFolders(tmp_path / "absent", folders.btcv, folders.zenodo)
    with pytest.raises(UserError, match="cannot be opened") as caught:
        find_paper_cases(away, allow_missing=True)
    assert caught.value.where == str(tmp_path / "absent")


def test_the_record_beside_the_prepared_set(folders, tmp_path):
    found = find_paper_cases(folders, allow_missing=True)
    out = tmp_path / "out"
    out.mkdir()
    config = PreparationConfig()
    left_out = (LeftOut(case_id="BTCV_0002", why="damaged"),)
    made = PreparedSet(
        root=out, name="x", kind="real", fingerprint="0", config=config, cases=(), left_out=left_out
    )
    write_paper_record(made, found)
    record = json.loads((out / "paper.json").read_text())
    assert record == {
        "paper_cases": 90,
        "cases": [],
        "missing": [*found.notes[1:], "BTCV_0002 could not be prepared"],
    }
    assert str(tmp_path) not in (out / "paper.json").read_text()
