"""docs/bad_input.md, written from the tables that the tests try.

.venv/bin/python -m tests.bad_inputs.document
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bad_inputs import data_sets, label_maps, scans, series
from tests.bad_inputs.row import Suite

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "docs" / "bad_input.md"
SUITES = (scans.SUITE, scans.NAMES, series.SUITE, label_maps.SUITE)
DATA_SETS = (data_sets.SUITE, data_sets.NNUNET_SUITE)

INTRODUCTION = """\
# Bad input, and what becomes of it

Every row is tried by `tests/bad_inputs/test_bad_inputs.py` through the program as a user starts it.
*Refused*: exit code 2 and three lines (what, where, what to do), no traceback, no result.
*Noted*: done, and a line says what is odd. *Accepted*: done.

Bombs are read once more in a process that may take 1 GiB and no more
(`tests/bad_inputs/test_bounds.py`). 300 NIfTI and 60 DICOM headers are mutated in the tests. By
hand, 23 November 2026, 2 shared cores,
`python -m tests.bad_inputs.fuzz --nifti 10000 --dicom 2000 --seed 1`:

| mutants | refused | read | crashes, warnings | longest | peak memory of the process |
|---|---|---|---|---|---|
| 10,000 NIfTI headers | 3,625 | 6,375 | 0 | 0.02 s | 167 MiB |
| 2,000 DICOM headers | 1,753 | 247 | 0 | 0.13 s | 174 MiB |

A scan of 1024 x 1024 x 1100 voxels of 16 bit (2.3 GB) with its label map was prepared by hand, as
.nii in 41 s and as .nii.gz in 61 s, with at most 9.2 GB of memory.

This file is written by `python -m tests.bad_inputs.document`; a test compares the two.
"""


@dataclass(frozen=True)
class Elsewhere:
    """A hazard that other tests hold.

    Attributes:
        test: File and function, relative to the repository.
    """

    number: str
    name: str
    outcome: str
    test: str


VOLUMES, SPLITS = "tests/voxsiam/volumes", "tests/voxsiam_data/splits"
INFERENCE = "tests/voxsiam/inference"
ELSEWHERE = (
    Elsewhere("B4", "all 48 axis orders, to predict", "accepted: same labels, on the file's grid",
        f"{INFERENCE}/test_predict_geometry.py::"
        "test_all_48_orientations_give_the_same_labels_on_their_own_grid"),
    Elsewhere("B4", "all 48 axis orders, to prepare", "accepted: same volume",
        f"{VOLUMES}/test_preparation.py::test_all_48_orientations_prepare_alike"),
    Elsewhere("B8", "400 mutated NIfTI headers", "refused or read",
        "tests/bad_inputs/test_bounds.py::test_mutated_nifti_headers"),
    Elsewhere("B8", "60 mutated DICOM headers", "refused or read",
        "tests/bad_inputs/test_bounds.py::test_mutated_dicom_headers"),
    Elsewhere("B7", "a .nrrd of 64 KB that unpacks to 2 GB", "refused",
        f"{VOLUMES}/test_volume_file.py::test_a_bomb_is_not_unpacked"),
    Elsewhere("B8", "400 mutated NRRD and MetaImage headers", "refused or read",
        f"{VOLUMES}/test_volume_file.py::test_fuzzed_headers_raise_nothing_but_user_errors"),
    Elsewhere("B9", "a .nhdr or .mhd that names voxels outside of its folder", "refused",
        f"{VOLUMES}/test_volume_file.py::test_voxels_elsewhere_are_never_opened"),
    Elsewhere("B10", "files of a series that are empty, zeros, cut, overwritten", "refused",
        f"{VOLUMES}/test_dicom.py::test_bad_series_are_refused_without_naming_the_patient"),
    Elsewhere("B10", "gzipped slices, slices without preamble or first group", "accepted",
        f"{VOLUMES}/test_dicom.py::test_files_that_other_readers_pass_over_are_slices"),
    Elsewhere("B10", "oblique slices", "accepted",
        f"{VOLUMES}/test_dicom.py::test_oblique_slices_keep_their_directions"),
    Elsewhere("B11", "fewer patients than folds", "refused",
        f"{SPLITS}/test_folds.py::test_what_cannot_be_folded"),
    Elsewhere("B11", "one patient to split", "refused", f"{SPLITS}/test_holdout.py::test_too_few"),
    Elsewhere("B11", "fewer training cases than workers", "refused",
        "tests/voxsiam_experiments/test_plan.py::test_fewer_training_cases_than_workers_are_refused"),
    Elsewhere("B12", "a scan above 2 GiB (2.3 GB by hand, see above)",
        "accepted: rows hold names, not voxels",
        "tests/voxsiam_data/prepared/test_prepare.py::test_arrays_do_not_travel"),
    Elsewhere("B14", "an organ that a whole side of a split lacks", "noted",
        f"{SPLITS}/test_absent_organs.py::test_organs_that_a_whole_side_lacks_are_told"),
    Elsewhere("B15", "origin of the label off by 0.02 and by 0.005 voxels", "refused; accepted",
        f"{VOLUMES}/test_preparation.py::test_label_that_lies_elsewhere"),
    Elsewhere("B17", "same patient, image or label map on two sides of a split", "refused",
        f"{SPLITS}/test_leaks.py::test_leaks_are_refused"),
    Elsewhere("B19", "20 other tables of labels", "refused",
        "tests/voxsiam_data/sources/layouts/test_nnunet.py::test_bad_labels"),
    Elsewhere("B20", "distances of organs that a side lacks", "one policy, counted and printed",
        "tests/voxsiam_cli/model/test_evaluate.py::test_shows_means_counts_and_policy"),
)  # fmt: skip


def document() -> str:
    """Write the whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield INTRODUCTION
    for suite in (*SUITES, *DATA_SETS):
        yield from _table(suite)
    yield "## Held by other tests\n"
    yield "| | input | outcome | test |\n|---|---|---|---|"
    for entry in ELSEWHERE:
        file, name = entry.test.split("::")
        yield f"| {entry.number} | {entry.name} | {entry.outcome} | `{name}` in `{file}` |"


def _table(suite: Suite) -> Iterator[str]:
    yield f"## {suite.title[0].upper()}{suite.title[1:]}\n"
    yield f"`voxsiam {' '.join(suite.command)}`\n"
    yield "| | input | outcome |\n|---|---|---|"
    for row in suite.rows:
        yield f"| {row.number} | {row.name.replace('|', '/')} | {row.outcome} |"
    yield ""


if __name__ == "__main__":
    DOCUMENT.write_text(document())
