import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray

import voxsiam_data.prepared.case_task
import voxsiam_data.prepared.prepare
from tests.nifti_files import label_map, phantom_ct, write_scan
from tests.small_data_sets import SMALL, write_case_folders
from voxsiam.errors import UserError
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.checks import CHECKS_VERSION
from voxsiam_data.prepared.case_task import CaseReady, CaseRefused, CaseRequest, prepare_case
from voxsiam_data.prepared.entries import read_facts
from voxsiam_data.prepared.prepare import BadCases, prepare
from voxsiam_data.prepared.prepared_set import open_prepared
from voxsiam_data.prepared.record import LeftOut
from voxsiam_data.sources.detect import read_source

pytestmark = pytest.mark.usefixtures("ray_instance")


LEAVE_OUT = BadCases(leave_out=True)
UNCHECKED = BadCases(checked=False)


def prepare_folder(source, output, config, **options):
    return prepare(read_source(source), output, config, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, ray_instance):
    """One prepared set that tests copy instead of making their own."""
    folder = tmp_path_factory.mktemp("finished")
    source = write_case_folders(folder / "clinic")
    steps = []
    prepare(
        read_source(source),
        folder / "out",
        SMALL,
        on_case=lambda done, total: steps.append((done, total)),
    )
    return source, folder / "out", steps


@pytest.fixture
def copied(finished, tmp_path):
    """The finished set's own copy; shutil.copytree keeps times, so nothing has changed."""
    _, out, _ = finished
    return finished[0], shutil.copytree(out, tmp_path / "out")


@pytest.fixture
def no_tasks(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a Ray task was started")

    monkeypatch.setattr(ray.data, "from_items", refuse)


def stamps(root):
    return {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}


def test_prepares_every_case_and_reports(finished, small_config):
    _, out, steps = finished
    prepared = open_prepared(out)
    assert [case.case_id for case in prepared.cases] == ["anna", "bert", "carl"]
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert prepared.config == small_config
    assert len(list((out / "volumes").iterdir())) == 3
    assert prepared.load("carl").image.shape == (16, 16, 16)


def test_second_call_does_nothing(copied, small_config, no_tasks):
    source, out = copied
    before = stamps(out)
    steps = []
    prepared = prepare(
        read_source(source), out, small_config, on_case=lambda *step: steps.append(step)
    )
    assert stamps(out) == before
    assert steps == [(3, 3)]
    assert prepared == open_prepared(out)


def test_changed_file_alone_is_redone(finished, tmp_path, small_config):
    source = write_case_folders(tmp_path / "clinic")
    out = tmp_path / "out"
    first = prepare_folder(source, out, small_config)
    write_scan(source / "bert" / "image.nii.gz", phantom_ct(seed=9)[0])
    before = stamps(out / "volumes")
    steps = []
    second = prepare(
        read_source(source), out, small_config, on_case=lambda *step: steps.append(step)
    )
    assert steps == [(2, 3), (3, 3)]
    keys = [(a.key == b.key) for a, b in zip(first.cases, second.cases, strict=True)]
    assert keys == [True, False, True]
    assert first.fingerprint != second.fingerprint
    after = stamps(out / "volumes")
    assert all(after[path] == before[path] for path in before if path.name.endswith(".npy"))


def test_other_grid_is_another_set(copied, small_config):
    source, out = copied
    config = small_config.model_copy(update={"grid_dhw": (16, 16, 24)})
    prepared = prepare_folder(source, out, config)
    assert prepared.load("anna").image.shape == (16, 16, 24)
    assert len(list((out / "volumes").iterdir())) == 6


BOXES = "case_id,i_start,i_stop,j_start,j_stop,k_start,k_stop\n"


def test_boxes_crop_the_cases_that_have_one(finished, tmp_path, small_config):
    source = shutil.copytree(finished[0], tmp_path / "clinic")
    (source / "crops.csv").write_text(BOXES + "bert,1,19,2,18,3,16\n")
    whole = prepare_folder(source, tmp_path / "out", small_config)
    assert whole.fingerprint == open_prepared(finished[1]).fingerprint
    config = PreparationConfig(grid_dhw=small_config.grid_dhw, crop="box")
    cropped = prepare_folder(source, tmp_path / "out", config)
    assert [case.box_dhw for case in cropped.cases] == [None, ((3, 16), (2, 18), (1, 19)), None]
    assert cropped.load_native("bert").label.shape == (16, 18, 20)
    assert cropped.case("bert").spacing_mm == pytest.approx((13 / 16, 1, 18 / 16))
    np.testing.assert_array_equal(cropped.load("anna").image, whole.load("anna").image)
    assert (cropped.load("bert").image != whole.load("bert").image).any()
    # A second call finds everything; another box is another volume.
    steps = []
    assert (
        prepare_folder(source, tmp_path / "out", config, on_case=lambda *s: steps.append(s))
        == cropped
    )
    assert steps == [(3, 3)]
    (source / "crops.csv").write_text(BOXES + "bert,0,19,2,18,3,16\n")
    moved = prepare_folder(source, tmp_path / "out", config)
    assert moved.case("bert").key != cropped.case("bert").key


def test_a_box_that_leaves_its_scan_is_a_bad_case(finished, tmp_path, small_config):
    source = shutil.copytree(finished[0], tmp_path / "clinic")
    (source / "crops.csv").write_text(BOXES + "bert,0,20,0,18,0,17\n")
    config = PreparationConfig(grid_dhw=small_config.grid_dhw, crop="box")
    with pytest.raises(UserError, match="leaves the scan") as caught:
        prepare_folder(source, tmp_path / "out", config)
    assert caught.value.where == str(source / "bert" / "image.nii.gz")


@pytest.mark.parametrize("table", [None, BOXES, BOXES + "other,0,1,0,1,0,1\n"])
def test_boxes_are_asked_for_and_no_case_has_one(finished, tmp_path, no_tasks, table):
    source = shutil.copytree(finished[0], tmp_path / "clinic")
    if table is not None:
        (source / "crops.csv").write_text(table)
    with pytest.raises(UserError, match="none of them has one") as caught:
        prepare(
            read_source(source),
            tmp_path / "out",
            PreparationConfig(grid_dhw=(16, 16, 16), crop="box"),
        )
    assert caught.value.where == str(source / "crops.csv")
    assert "k_stop" in caught.value.fix


def test_damaged_volume_is_mended(copied, small_config):
    source, out = copied
    prepared = open_prepared(out)
    path = out / "volumes" / prepared.case("bert").key / "image.npy"
    raw = bytearray(path.read_bytes())
    sound = bytes(raw)
    raw[200] ^= 4
    path.write_bytes(bytes(raw))
    with pytest.raises(UserError, match="damaged"):
        prepared.load("bert")
    assert prepare_folder(source, out, small_config) == prepared
    assert path.read_bytes() == sound


def test_bad_cases_are_told_together_and_good_ones_kept(tmp_path, small_config):
    source = write_case_folders(tmp_path / "clinic")
    out = tmp_path / "out"
    _, label = phantom_ct()
    write_scan(source / "anna" / "label.nii.gz", label + 4)
    (source / "carl" / "image.nii.gz").write_bytes(b"")
    with pytest.raises(UserError, match=r"9 \(162 voxels\).*1 other case is bad") as caught:
        prepare_folder(source, out, small_config)
    assert caught.value.where == str(source / "anna" / "label.nii.gz")
    assert not (out / "prepared.json").exists()
    assert len(list((out / "volumes").iterdir())) == 1
    write_scan(source / "anna" / "label.nii.gz", label)
    write_scan(source / "carl" / "image.nii.gz", phantom_ct(seed=5)[0])
    steps = []
    prepare_folder(source, out, small_config, on_case=lambda *step: steps.append(step))
    assert steps[0] == (1, 3)


def test_bad_cases_can_be_left_out_and_are_remembered(tmp_path, small_config):
    source, out, told = write_case_folders(tmp_path / "clinic"), tmp_path / "out", []
    (source / "carl" / "image.nii.gz").write_bytes(b"")
    (source / "anna" / "label.nii.gz").write_bytes(b"")
    prepared = prepare_folder(
        source, out, small_config, bad_cases=LEAVE_OUT, on_refused=told.append
    )
    assert [case.case_id for case in prepared.cases] == ["bert"]
    assert [case.case_id for case in told] == ["anna", "carl"]
    assert prepared.left_out == tuple(LeftOut(case_id=c.case_id, why=c.what) for c in told)
    assert open_prepared(out) == prepared
    (source / "bert" / "label.nii.gz").write_bytes(b"")
    with pytest.raises(UserError, match="2 other cases are bad") as caught:
        prepare_folder(source, out, small_config, bad_cases=LEAVE_OUT)
    assert "--leave-out-refused" not in caught.value.fix


def test_what_the_checks_refuse_is_refused_unless_they_are_off(tmp_path, small_config):
    source, out = write_case_folders(tmp_path / "clinic"), tmp_path / "out"
    image, _ = phantom_ct()
    picture = (image - image.min()) // 8  # grey values, not HU
    write_scan(source / "bert" / "image.nii.gz", picture)
    with pytest.raises(UserError, match="Hounsfield") as caught:
        prepare_folder(source, out, small_config)
    assert caught.value.where == str(source / "bert" / "image.nii.gz")
    unchecked = prepare_folder(source, out, small_config, bad_cases=UNCHECKED)
    assert len(unchecked.cases) == 3
    assert not unchecked.checked
    # Being in the cache makes it no better.
    with pytest.raises(UserError, match="Hounsfield"):
        prepare_folder(source, out, small_config)


def test_what_was_prepared_without_checks_is_checked_later(case_folders, tmp_path, small_config):
    out = tmp_path / "out"
    first = prepare_folder(case_folders, out, small_config, bad_cases=UNCHECKED)
    arrays = {p: t for p, t in stamps(out / "volumes").items() if p.name != "meta.json"}
    steps = []
    second = prepare_folder(case_folders, out, small_config, on_case=lambda *s: steps.append(s))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert (first.checked, second.checked) == (False, True)
    assert second.fingerprint == first.fingerprint
    assert [case.key for case in second.cases] == [case.key for case in first.cases]
    after = stamps(out / "volumes")
    assert {p: t for p, t in after.items() if p.name != "meta.json"} == arrays
    assert second.load("anna").image.shape == (16, 16, 16)
    # They stay checked, whoever prepares next.
    third = prepare_folder(case_folders, out, small_config, bad_cases=UNCHECKED)
    assert third.checked
    assert stamps(out / "volumes") == after


def ready(asked):
    outcome = prepare_case(asked)
    assert isinstance(outcome, CaseReady)
    return outcome


def test_volumes_that_passed_older_checks_are_checked_again(
    case_folders, tmp_path, small_config, monkeypatch
):
    asked = request(case_folders, tmp_path / "out", small_config)
    monkeypatch.setattr(voxsiam_data.prepared.case_task, "CHECKS_VERSION", CHECKS_VERSION - 1)
    first = ready(asked)
    monkeypatch.undo()
    seen = []

    def no_refusals(scan, *_):
        seen.append(scan.path.parent.name)
        return []

    monkeypatch.setattr(voxsiam_data.prepared.case_task, "refusals_of", no_refusals)
    second = ready(asked)
    assert seen == ["anna"]
    assert first.facts.checks_version == CHECKS_VERSION - 1
    assert second.facts == read_facts(asked.volumes / second.key)
    assert second.facts.checks_version == CHECKS_VERSION
    assert prepare_case(asked) == second
    assert seen == ["anna"]


def dies_of_bert(asked):
    if asked.case_id == "bert":
        os._exit(1)
    return prepare_case(asked)


def test_a_case_that_kills_its_process_is_refused_alone(tmp_path, small_config, monkeypatch):
    source = write_case_folders(tmp_path / "clinic", ("anna", "bert", "carl", "dora"))
    # The function travels by its name: workers import this module.
    monkeypatch.setattr(voxsiam_data.prepared.prepare, "prepare_case", dies_of_bert)
    told, logged = [], []
    log = logging.getLogger("ray.data._internal.execution.streaming_executor_state")
    monkeypatch.setattr(log, "handle", logged.append)
    prepared = prepare_folder(
        source, tmp_path / "out", small_config, bad_cases=LEAVE_OUT, on_refused=told.append
    )
    assert [case.case_id for case in prepared.cases] == ["anna", "carl", "dora"]
    (killed,) = told
    assert killed.case_id == "bert"
    assert "killed, most likely for lack of memory" in killed.what
    assert re.search(r"[\d.]+ GiB are free now, [\d.]+ GiB is the limit", killed.what)
    assert "--leave-out-refused" in killed.fix
    assert killed.where == str(source / "bert" / "image.nii.gz")
    assert logged == []  # Ray Data would show a traceback


def dies_beside_others(asked):
    first = asked.volumes / "died-once"
    if asked.case_id == "bert" and not first.exists():
        first.touch()
        os._exit(1)
    return prepare_case(asked)


def test_a_process_that_died_for_its_neighbours_gets_a_second_try(
    case_folders, tmp_path, small_config, monkeypatch
):
    monkeypatch.setattr(voxsiam_data.prepared.prepare, "prepare_case", dies_beside_others)
    prepared = prepare_folder(case_folders, tmp_path / "out", small_config)
    assert [case.case_id for case in prepared.cases] == ["anna", "bert", "carl"]


def test_work_that_no_process_can_do_is_no_matter_of_memory(
    case_folders, tmp_path, small_config, monkeypatch
):
    def broken(asked):
        raise ModuleNotFoundError("no module named voxsiam_data")

    monkeypatch.setattr(voxsiam_data.prepared.prepare, "prepare_case", broken)
    with pytest.raises(Exception, match="no module named voxsiam_data"):
        prepare_folder(case_folders, tmp_path / "out", small_config)


def test_any_error_in_a_case_is_told_in_one_line(case_folders, tmp_path, small_config, monkeypatch):
    def fail(*args):
        raise ZeroDivisionError("by zero\nin two lines \udcff")

    asked = request(case_folders, tmp_path / "out", small_config)
    monkeypatch.setattr(voxsiam_data.prepared.case_task, "prepare_volume", fail)
    refused = CaseRefused.model_validate_json(prepare_case(asked).model_dump_json())
    what = r"Its preparation failed (ZeroDivisionError: by zero in two lines \udcff)."
    assert (refused.case_id, refused.what) == ("anna", what)
    assert refused.where == str(asked.image)


def test_an_interrupted_call_keeps_what_is_done(case_folders, tmp_path, small_config):
    out = tmp_path / "out"

    def interrupt(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_folder(case_folders, out, small_config, on_case=interrupt)
    steps = []
    prepare_folder(case_folders, out, small_config, on_case=lambda *step: steps.append(step))
    assert steps[0] == (1, 3)


@pytest.mark.parametrize("bad", ["source", "case", "output"])
def test_names_that_are_not_utf8_are_refused_before_anything_runs(
    case_folders, tmp_path, small_config, no_tasks, bad
):
    manifest = read_source(case_folders)
    old = {"source": case_folders, "case": case_folders / "bert", "output": tmp_path / "out"}[bad]
    new = old.with_name("b\udce4rt")
    if bad != "output":
        old.rename(new)
        cases = [
            replace(case, image=Path(str(case.image).replace(str(old), str(new))))
            for case in manifest.cases
        ]
        manifest = replace(manifest, cases=tuple(cases))
    with pytest.raises(UserError, match="not UTF-8") as caught:
        prepare(manifest, new if bad == "output" else tmp_path / "out", small_config)
    assert caught.value.where == repr(str(new))
    assert not (tmp_path / "out").exists()


def test_leftovers_of_a_killed_call_go(copied, small_config, no_tasks):
    source, out = copied
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    half = out / "volumes" / f".tmp-{os.uname().nodename}-{process.pid}-abc"
    half.mkdir()
    (half / "image.npy").write_bytes(b"half an array")
    prepared = prepare_folder(source, out, small_config)
    assert not half.exists()
    assert len(prepared.cases) == 3


def test_lost_record_is_rebuilt(copied, small_config, no_tasks):
    source, out = copied
    text = (out / "prepared.json").read_text()
    (out / "prepared.json").unlink()
    prepare_folder(source, out, small_config)
    assert (out / "prepared.json").read_text() == text


def test_lost_index_costs_reading_not_preparing(copied, small_config):
    source, out = copied
    (out / "index.json").unlink()
    before = stamps(out / "volumes")
    prepare_folder(source, out, small_config)
    assert stamps(out / "volumes") == before


def test_same_scan_under_two_patients(tmp_path, small_config):
    source = write_case_folders(tmp_path / "clinic", ("anna", "bert"))
    shutil.rmtree(source / "bert")
    image, label = phantom_ct()
    write_scan(source / "zoe" / "image.nii", image)  # the same voxels in another file
    write_scan(source / "zoe" / "label.nii", label)
    with pytest.raises(UserError, match="'anna' and 'zoe' hold the same image"):
        prepare_folder(source, tmp_path / "out", small_config)
    (source / "patients.csv").write_text("case_id,patient_id\nanna,p\nzoe,p\n")
    assert len(prepare_folder(source, tmp_path / "out", small_config).cases) == 2


@pytest.mark.parametrize("below", ["file", "file/out"])
def test_output_that_cannot_be_written(case_folders, tmp_path, small_config, below):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="output folder"):
        prepare_folder(case_folders, tmp_path / below, small_config)


def request(source, out, config, name="anna"):
    (out / "volumes").mkdir(parents=True, exist_ok=True)
    return CaseRequest(
        case_id=name,
        image=source / name / "image.nii.gz",
        label=label_map(source / name / "label.nii.gz"),
        config=config,
        volumes=out / "volumes",
    )


def test_one_case_told_as_values(case_folders, tmp_path, small_config):
    asked = request(case_folders, tmp_path / "out", small_config)
    outcome = prepare_case(CaseRequest.model_validate_json(asked.model_dump_json()))
    assert isinstance(outcome, CaseReady)
    assert len(outcome.files) == 2
    asked.image.unlink()
    refused = prepare_case(asked)
    assert isinstance(refused, CaseRefused)
    assert refused.where == str(asked.image)


def test_case_in_the_cache_is_not_prepared_again(case_folders, tmp_path, small_config, monkeypatch):
    asked = request(case_folders, tmp_path / "out", small_config)
    first = prepare_case(asked)

    def refuse(*args):
        raise AssertionError("the volume was prepared again")

    monkeypatch.setattr(voxsiam_data.prepared.case_task, "prepare_volume", refuse)
    assert prepare_case(asked) == first


def test_arrays_do_not_travel(case_folders, tmp_path, small_config):
    config = small_config.model_copy(update={"grid_dhw": (64, 64, 64)})
    outcome = prepare_case(request(case_folders, tmp_path / "out", config))
    assert len(outcome.model_dump_json()) < 4000  # an image of this grid has 524288 bytes


@pytest.mark.shared_data
def test_real_cts(shared_data, tmp_path):
    prepared = prepare(
        read_source(shared_data / "ct"), tmp_path, PreparationConfig(grid_dhw=(32, 64, 64))
    )
    example, s0009 = (case.organ_voxels for case in prepared.cases)
    assert [organ for organ, count in example.items() if not count] == ["esophagus"]
    assert min(s0009.values()) > 0
    volume = prepared.load("ts_s0009")
    # Liver parenchyma with contrast lies near 100 HU.
    liver_hu = volume.image[volume.label == 5].mean() * 450 - 200
    assert 50 < liver_hu < 150
    assert np.isfinite(volume.image).all()
    native = prepared.load_native("ts_s0009")
    assert native.label.shape == (185, 119, 119)
    assert set(np.unique(native.label)) == set(range(9))


def test_the_same_scan_under_another_name_can_be_left_out(tmp_path, small_config):
    source, out = write_case_folders(tmp_path / "clinic"), tmp_path / "out"
    for name in ("image.nii.gz", "label.nii.gz"):
        shutil.copy(source / "anna" / name, source / "carl" / name)
    with pytest.raises(UserError, match="'anna' and 'carl' hold the same image") as caught:
        prepare_folder(source, out, small_config)
    assert "--leave-out-refused" in caught.value.fix
    prepared = prepare_folder(source, out, small_config, bad_cases=LEAVE_OUT)
    assert [case.case_id for case in prepared.cases] == ["anna", "bert"]
    assert [case.case_id for case in prepared.left_out] == ["carl"]


def test_another_data_set_does_not_replace_a_prepared_one(tmp_path, copied, small_config):
    _, out = copied
    other = write_case_folders(tmp_path / "other")
    before = (out / "prepared.json").read_bytes()
    with pytest.raises(UserError, match="set 'clinic', this data set is 'other'"):
        prepare_folder(other, out, small_config)
    assert (out / "prepared.json").read_bytes() == before
