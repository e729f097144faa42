"""The command line as a user starts it, beside the test session's Ray instance."""

import numpy as np
import pytest

from tests.nifti_files import phantom_ct, write_scan
from tests.small_data_sets import write_case_folders

# A shell starts background jobs with Ctrl-C ignored, nohup with SIGHUP, and children inherit that.
START = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from voxsiam_cli.app import main
main()
"""


def read_until(process, text):
    """Read a program's output up to a line that holds the text."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return "".join(seen)
    pytest.fail(f"never said {text!r}:\n{''.join(seen)}")


def prepared_scans(program, tmp_path):
    """Small scans of eight patients, prepared by the program; scored in moments."""
    source = write_case_folders(tmp_path / "clinic", tuple("abcdefgh"))
    for number, name in enumerate("abcdefgh"):
        # Equal label maps would be a leak.
        write_scan(source / name / "label.nii.gz", np.roll(phantom_ct()[1], number, axis=2))
    prepare = program("data", "prepare", str(source), "-o", "prepared", "--grid", "32x32x32")
    said = prepare.stdout.read()
    assert prepare.wait() == 0, said
    return "--data", "prepared"
