"""What the record of a set says is what was sealed, what its files say, and what can be."""

import json
import re
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.voxsiam_dashboards.prepared_cases import write_prepared
from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam_cli.app import app
from voxsiam_data.prepared.entries import ARRAYS
from voxsiam_data.prepared.prepared_set import open_prepared
from voxsiam_data.prepared.record import RECORD
from voxsiam_data.prepared.record_seal import SEAL, read_seal, write_sealed


@pytest.fixture
def prepared(tmp_path):
    """A set of this version: with a seal."""
    made = write_prepared(tmp_path / "set", count=2)
    write_sealed(made.record_file, made.record_file.read_text())
    return open_prepared(made.root)


def changed(prepared, *, sealed=False, **fields):
    """Change fields of the first case in the record, under the same fingerprint."""
    content = json.loads(prepared.record_file.read_text())
    content["cases"][0] |= fields
    if sealed:
        write_sealed(prepared.record_file, json.dumps(content))
    else:
        prepared.record_file.write_text(json.dumps(content))


def case_of(prepared):
    return json.loads(prepared.record_file.read_text())["cases"][0]


ALTERED = {
    "spacing_mm": lambda case: [2 * size for size in case["spacing_mm"]],
    "annotated": lambda case: case["annotated"][:3],
    "native_shape": lambda case: [n + 1 for n in case["native_shape"]],
    "native_spacing_mm": lambda _: [3.0, 1.0, 1.0],
    "box_dhw": lambda _: [[1, 5], [1, 5], [1, 5]],
    "organ_voxels": lambda case: case["organ_voxels"] | {"liver": 1},
    "patient_id": lambda _: "somebody else",
    "source": lambda _: "elsewhere",
    "notes": lambda _: ["nothing to see"],
    "geometry": lambda _: "qform",
}
IN_NO_FILE = ("patient_id", "source", "notes", "geometry")


@pytest.mark.parametrize("field", ALTERED)
def test_a_sealed_record_cannot_be_changed_alone(prepared, field):
    changed(prepared, **{field: ALTERED[field](case_of(prepared))})
    with pytest.raises(UserError, match="altered: its seal does not fit"):
        open_prepared(prepared.root)


@pytest.mark.parametrize("field", [name for name in ALTERED if name not in IN_NO_FILE])
def test_the_files_of_a_case_contradict_a_record_without_its_seal(prepared, field):
    """As in sets of earlier versions: what losses and distances use stands beside the arrays."""
    (prepared.root / SEAL).unlink()
    changed(prepared, **{field: ALTERED[field](case_of(prepared))})
    opened = open_prepared(prepared.root)
    for read in (opened.load, opened.load_native):
        with pytest.raises(UserError, match=f"says another {field} of '000'"):
            read("000")
    opened.load("001")


IMPOSSIBLE = {
    "negative shape": {"shape": [-1, -1, 1]},
    "another grid": {"shape": [16, 16, 24]},
    "a shape of nothing": {"native_shape": [0, 10, 10]},
    "a scan of terabytes": {"native_shape": [10**5, 10**5, 10**5]},
    "a voxel of no size": {"spacing_mm": [0.0, 1.0, 1.0]},
    "a voxel inside out": {"native_spacing_mm": [1.0, -1.0, 1.0]},
    "a box outside": {"box_dhw": [[0, 5], [0, 5], [0, 10**6]]},
    "a box inside out": {"box_dhw": [[5, 2], [0, 5], [0, 5]]},
    "an organ of nobody": {"organ_voxels": {"soul": 3}},
    "fewer than no voxels": {"organ_voxels": {"liver": -3}},
    "more voxels than there are": {"organ_voxels": {"liver": 10**12}},
    "an annotated organ of nobody": {"annotated": ["soul"]},
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_cannot_be_is_refused_when_a_set_is_opened(prepared, what):
    changed(prepared, sealed=True, **IMPOSSIBLE[what])
    with pytest.raises(UserError, match="record of the prepared set cannot be read"):
        open_prepared(prepared.root)


def test_two_cases_of_one_name_are_refused(prepared):
    changed(prepared, sealed=True, case_id="001")
    with pytest.raises(UserError, match="two cases have one name"):
        open_prepared(prepared.root)


def test_a_set_without_a_seal_opens_as_before(prepared):
    (prepared.root / SEAL).unlink()
    assert open_prepared(prepared.root) == prepared
    assert read_seal(prepared.root) is None


@pytest.mark.parametrize("seal", ["", "{}", "[]", '{"record_sha256": ["no sum"]}'])
def test_a_seal_that_is_none_is_refused(prepared, seal):
    (prepared.root / SEAL).write_text(seal)
    with pytest.raises(UserError, match="cannot be read"):
        open_prepared(prepared.root)


def test_whoever_opens_a_set_while_its_record_is_replaced_finds_a_pair(prepared, monkeypatch):
    """The old record and the new one are both sealed until the new one is in its place."""
    module = "voxsiam_data.prepared.record_seal.write_text_atomically"
    seen = []

    def replace(path, text):
        seen.append(open_prepared(prepared.root).cases[0].patient_id)
        path.write_text(text)
        seen.append(open_prepared(prepared.root).cases[0].patient_id)

    monkeypatch.setattr(module, replace)
    content = json.loads(prepared.record_file.read_text())
    content["cases"][0]["patient_id"] = "renamed"
    write_sealed(prepared.record_file, json.dumps(content))
    assert seen == ["p0", "renamed"]
    seal = read_seal(prepared.root)
    assert seal is not None
    assert seal.record_sha256 == (sha256_of(prepared.root / RECORD),)


def spoilt(prepared, name, change):
    """Change an array of the first case and make its checksum fit."""
    folder = prepared.folder(prepared.cases[0])
    array = np.load(folder / name)
    change(array)
    np.save(folder / name, array)
    facts = json.loads((folder / "meta.json").read_text())
    facts["sha256"][name] = sha256_of(folder / name)
    (folder / "meta.json").write_text(json.dumps(facts))


IMAGE, LABEL = ARRAYS
SPOILT = {
    "NaN": (IMAGE, lambda a: a.__setitem__((0, 0, 0), np.nan), "1 voxels of the image are no numb"),
    "infinite": (IMAGE, lambda a: a.__setitem__((0, 0, 0), np.inf), "are no numbers"),
    "out of range": (IMAGE, lambda a: a.__setitem__((0, 0, 0), 3), "outside of \\[0, 1\\]"),
    "a tenth class": (LABEL, lambda a: a.__setitem__((0, 0, 0), 9), "labels of no organ"),
    "another organ": (LABEL, lambda a: a.__setitem__(a == 5, 0), "0 voxels are liver, recorded"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_verify_looks_at_every_voxel(prepared, what):
    name, change, told = SPOILT[what]
    spoilt(prepared, name, change)
    done = CliRunner().invoke(app, ["data", "verify", str(prepared.root), "--json"])
    assert done.exit_code == 1
    wrong = json.loads(done.stdout)["wrong"]
    assert len(wrong) == 1
    assert re.search(told, wrong[0])
    assert "'000'" in wrong[0]


def test_verify_names_files_that_are_gone_and_goes_on(prepared):
    shutil.rmtree(prepared.folder(prepared.cases[0]))
    done = CliRunner().invoke(app, ["data", "verify", str(prepared.root)])
    assert done.exit_code == 1
    assert "'000' is damaged" in done.output
    assert "2 cases, 1 faults" in done.output


def test_verify_finds_nothing_in_a_sound_set_and_says_where_there_is_no_seal(prepared):
    done = CliRunner().invoke(app, ["data", "verify", str(prepared.root), "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (
        0,
        {"cases": 2, "sealed": True, "wrong": []},
    )
    (prepared.root / SEAL).unlink()
    done = CliRunner().invoke(app, ["data", "verify", str(prepared.root)])
    assert done.exit_code == 0
    assert "note: no seal" in done.output
