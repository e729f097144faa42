"""Whole data sets: every case is checked whatever happens to the others."""

import os
import signal
from multiprocessing import get_context

import numpy as np
import pytest

from tests.voxsiam_data.checks.trunks import known, manifest_of, trunk, write_case
from voxsiam_data.checks import data_set
from voxsiam_data.checks.case import check_case
from voxsiam_data.checks.data_set import check_manifest
from voxsiam_data.sources.detect import read_source


@pytest.fixture
def here(monkeypatch):
    """Cases are checked in this process: starting others takes seconds."""
    monkeypatch.setattr(
        data_set, "_in_pool", lambda cases, root, _: (data_set._checked(c, root) for c in cases)
    )


def clinic(root):
    image, label = trunk()
    other, (seen, drawn) = trunk(seed=8, shift=9), trunk(seed=9, shift=9)
    return [
        write_case(root, "sound", *other),
        write_case(root, "first", image, label),
        write_case(root, "mirrored", seen, drawn[::-1]),
        write_case(root, "renamed", image, label),
        write_case(root, "noisy", image + np.int16(1), label),
    ]


def test_the_worst_come_first_and_no_case_stops_the_others(tmp_path, here):
    cases = clinic(tmp_path)
    broken = write_case(tmp_path, "broken", *trunk(seed=4, shift=9))
    known(broken.image).write_bytes(b"")
    done = []
    report = check_manifest(
        manifest_of(tmp_path, *cases, broken), lambda *step: done.append(step), workers=2
    )
    assert done == [(n, 6) for n in range(7)]
    by_id = {case.case_id: case for case in report.cases}
    assert by_id["sound"].findings == ()
    assert report.cases[-1].case_id == "sound"
    assert {c.severity for c in report.cases[:-1]} == {"refuse"}
    assert [f.rank for _, f in report.findings] == sorted(f.rank for _, f in report.findings)
    assert not report.is_usable
    alike = {(pair.first, pair.second): pair.likeness for pair in report.pairs}
    assert alike == {
        ("first", "renamed"): "equal files",
        ("first", "noisy"): "equal files",  # the label map
        ("renamed", "noisy"): "equal files",
    }
    assert by_id["broken"].findings[0].where == "broken/image.nii.gz"


def test_repeats_of_one_patient_are_no_reason_to_refuse(tmp_path, here):
    image, label = trunk()
    twice = [write_case(tmp_path, name, image, label, patient="p") for name in ("a", "b")]
    report = check_manifest(manifest_of(tmp_path, *twice), workers=2)
    assert report.counts == {"refuse": 0, "repair": 0, "note": 2}
    again = write_case(tmp_path, "c", None, trunk(seed=2, shift=0.5)[1], patient="p")
    report = check_manifest(manifest_of(tmp_path, twice[0], again), workers=2)
    assert report.is_usable
    assert [pair.likeness for pair in report.pairs] == ["same patient"]
    assert report.findings == []


def test_pictures_are_kept_of_the_worst_cases(tmp_path, here, monkeypatch):
    monkeypatch.setattr(data_set, "MAX_PICTURES", 2)
    cases = clinic(tmp_path)[:3]
    report = check_manifest(manifest_of(tmp_path, *cases), workers=2)
    assert [case.case_id for case in report.cases if case.picture] == ["mirrored", "sound"]


def test_the_record_is_plain(tmp_path, here):
    report = check_manifest(manifest_of(tmp_path, *clinic(tmp_path)), workers=2)
    record = report.record()
    assert record["counts"] == report.counts
    assert record["num_cases"] == len(record["cases"]) == 5
    assert set(record["cases"][0]["organs_ml"]) >= {"liver", "spleen"}
    first = record["cases"][0]["findings"][0]
    assert set(first) == {"check", "severity", "what", "fix", "where", "slice_index"}


def test_a_failing_check_is_a_finding(tmp_path, here, monkeypatch):
    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(data_set, "check_case", fail)
    report = check_manifest(manifest_of(tmp_path, *clinic(tmp_path)[:2]), workers=2)
    assert [(f.severity, f.check) for _, f in report.findings] == [("refuse", "files")] * 2
    assert "MemoryError: no room" in report.findings[0][1].what


def die_if_greedy(case, root):
    """Stand for a check that the kernel kills, for memory."""
    if case.case_id == "greedy":
        os.kill(os.getpid(), signal.SIGKILL)
    return check_case(case, root)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_killed_process_takes_no_other_case_with_it(tmp_path, monkeypatch):
    # A forked process knows the replaced function; a fresh one would import the true one.
    monkeypatch.setattr(data_set, "get_context", lambda _: get_context("fork"))
    monkeypatch.setattr(data_set, "check_case", die_if_greedy)
    cases = [write_case(tmp_path, n, *trunk(seed=i, shift=9)) for i, n in enumerate("ab")]
    greedy = write_case(tmp_path, "greedy", *trunk(seed=5, shift=9))
    report = check_manifest(manifest_of(tmp_path, cases[0], greedy, cases[1]), workers=2)
    found = {case.case_id: case.findings for case in report.cases}
    assert set(found) == {"a", "b", "greedy"}
    assert "was killed" in found["greedy"][0].what
    assert not any("killed" in one.what for one in (*found["a"], *found["b"]))


def test_fresh_processes_check_real_files(tmp_path):
    report = check_manifest(manifest_of(tmp_path, *clinic(tmp_path)[:2]), workers=2)
    assert [case.findings for case in report.cases] == [(), ()]
    assert all(case.picture is not None for case in report.cases)


@pytest.mark.shared_data
def test_anatomy_holds_two_repeat_pairs_and_no_other(shared_data, add_table):
    report = check_manifest(read_source(shared_data / "anatomy"))
    found = {(pair.first, pair.second) for pair in report.pairs}
    assert found == {("word_04", "word_08"), ("word_03", "word_30")}
    assert {pair.likeness for pair in report.pairs} == {"same patient"}
    assert report.is_usable
    add_table("Repeats in anatomy", ("pair", "figures"), [(p.first, p.what) for p in report.pairs])


@pytest.mark.shared_data
def test_real_scans_are_not_refused(shared_data):
    report = check_manifest(read_source(shared_data / "ct"))
    assert len(report.cases) == 2
    assert report.is_usable
    assert report.pairs == ()
