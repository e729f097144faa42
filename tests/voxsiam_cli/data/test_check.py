import json
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tests.conftest import REPOSITORY
from tests.voxsiam_data.checks.trunks import trunk, write_case
from voxsiam.errors import UserError
from voxsiam_cli.data.commands import app


def run(*words):
    return CliRunner().invoke(app, ["check", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def clinic(tmp_path):
    write_case(tmp_path / "clinic", "anna", *trunk())
    return tmp_path / "clinic"


def test_a_sound_data_set(clinic, tmp_path):
    result = run(clinic, "-o", tmp_path / "page")
    assert result.exit_code == 0
    assert "1 cases: 0 refuse, 0 repair, 0 note; 1 without a finding" in result.output
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"index.html", "checks.json"}


def test_a_refused_case_gives_exit_code_2_and_what_to_do(clinic):
    image, label = trunk(seed=8, shift=9)
    write_case(clinic, "bert", image, label[::-1])
    result = run(clinic)
    assert result.exit_code == 2
    first = next(line for line in result.output.splitlines() if "bert" in line)
    assert "refuse" in first
    assert "refused; first bert, fix: " in result.output


def test_json_is_the_record_and_nothing_else(clinic):
    record = json.loads(run(clinic, "--json").output)
    assert record["counts"] == {"refuse": 0, "repair": 0, "note": 0}
    assert [case["case_id"] for case in record["cases"]] == ["anna"]


def test_what_would_be_overwritten_is_refused_before_the_work(clinic, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"thesis\.txt|clinic"):
        run(clinic, "-o", tmp_path)
    with pytest.raises(UserError, match="label protocol"):
        run(clinic, "--protocol", "wurd")


def test_label_values_of_another_protocol(tmp_path):
    image, label = trunk()
    write_case(tmp_path / "clinic", "anna", image, label)
    result = run(tmp_path / "clinic", "--protocol", "amos22")
    assert result.exit_code in (0, 2)
    assert "duplicates" not in result.output


def test_a_case_without_its_label_stops_no_other(clinic):
    (clinic / "bert").mkdir()
    shutil.copy(clinic / "anna" / "image.nii.gz", clinic / "bert")
    result = run(clinic, "--json")
    assert result.exit_code == 2
    first, second = json.loads(result.output)["cases"]
    assert (first["case_id"], first["findings"][0]["where"]) == ("bert", "bert")
    assert first["findings"][0]["what"] == "The case has no label.nii.gz."
    assert (second["case_id"], second["findings"]) == ("anna", [])


def test_a_set_read_with_the_wrong_protocol(tmp_path):
    for seed, name in enumerate(("anna", "bert", "carl")):
        write_case(tmp_path / "clinic", name, *trunk(seed=seed, shift=9))
    assert run(tmp_path / "clinic").exit_code == 0
    page = tmp_path / "page"
    result = run(tmp_path / "clinic", "--protocol", "amos22", "-o", page)
    assert result.exit_code == 2
    assert "refused; first " in result.output
    record = json.loads((page / "checks.json").read_text())
    assert {one["severity"] for one in record["findings"]} == {"refuse"}
    assert "Not one voxel of" in (page / "index.html").read_text()


@pytest.mark.parametrize("place", ["file/page", "file/a/b", "/proc/page"])
def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written") as caught:
        run(tmp_path / "absent", "-o", tmp_path / place)
    assert caught.value.where == str(tmp_path / place)


def test_the_program_ends_with_the_exit_code(clinic, child_environment):
    image, label = trunk()
    write_case(clinic, "bert", image + 1024, label)
    done = subprocess.run(
        [sys.executable, "-m", "voxsiam_cli", "data", "check", str(clinic)],
        cwd=REPOSITORY, env=child_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert "1024 HU too high" in done.stdout
