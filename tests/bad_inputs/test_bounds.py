"""Memory: bombs and mutated headers are read in a process that may not have much of it."""

import subprocess
import sys

import pytest

from tests.bad_inputs import scans, series
from tests.bad_inputs.fuzz import dicom_mutants, nifti_mutants, tried
from tests.bad_inputs.row import Row

READ_IN_LITTLE_MEMORY = """
import sys
from pathlib import Path
from tests.bad_inputs.fuzz import limit_memory
from voxsiam.errors import UserError
from voxsiam.volumes.volume_file import read_image
limit_memory()
try:
    read_image(Path(sys.argv[1]))
except UserError as error:
    print(error.what)
    sys.exit(2)
"""
BOMBS = [
    *((scans, row, scans.NAME) for row in scans.BOMBS),
    *((series, row, "ct") for row in series.BOMBS),
]


@pytest.mark.parametrize(("module", "row", "name"), BOMBS, ids=[row.name for _, row, _ in BOMBS])
def test_bombs_are_refused_before_they_fill_the_memory(
    tmp_path, child_environment, module, row: Row, name
):
    module.SUITE.prepare(tmp_path)
    row.change(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", READ_IN_LITTLE_MEMORY, str(tmp_path / name)],
        env=child_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.count("\n") == 1


def test_mutated_nifti_headers(tmp_path):
    figures = tried(nifti_mutants(tmp_path, 400))
    assert figures.refused > 100
    assert figures.read > 20


def test_mutated_dicom_headers(tmp_path):
    figures = tried(dicom_mutants(tmp_path, 60))
    assert figures.refused > 20
    assert figures.read > 5
