"""The prepared set of the studies of study_store: small cases with known flaws."""

from pathlib import Path

import numpy as np

from tests.voxsiam_dashboards.study_store import SHAPE, SPACING_MM, body_image, ellipsoids
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.entries import ARRAYS
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.prepared.record import LeftOut, PreparedCase

NAMES = (*(f"c{n}" for n in range(6)), "v0", "000", "001", "002")


def prepared_set(folder: Path, *, checked: bool = True, arrays: bool = False) -> PreparedSet:
    """c0 shows no liver, in c1 nobody looked for the duodenum, x9 was left out."""
    cases = tuple(make_case(name, number) for number, name in enumerate(NAMES))
    prepared = PreparedSet(
        root=folder, name="phantom-30", kind="phantom", fingerprint="d" * 16,
        config=PreparationConfig(grid_dhw=SHAPE), cases=cases,
        left_out=(LeftOut(case_id="x9", why="no image"),), checked=checked,
    )  # fmt: skip
    if arrays:
        for number, case in enumerate(cases):
            write_arrays(prepared.folder(case), number)
    return prepared


def make_case(name: str, number: int) -> PreparedCase:
    return PreparedCase(
        case_id=name, patient_id=f"p-{name}", source="toy", key=f"{number:016x}",
        shape=SHAPE, spacing_mm=SPACING_MM, native_shape=SHAPE, native_spacing_mm=SPACING_MM,
        organ_voxels={o: 0 if (name, o) == ("c0", "liver") else 5 for o in PAPER_ORGANS},
        annotated=tuple(o for o in PAPER_ORGANS if (name, o) != ("c1", "duodenum")),
    )  # fmt: skip


def write_arrays(folder: Path, number: int) -> None:
    folder.mkdir(parents=True)
    label = ellipsoids(SHAPE, growth=1 + 0.02 * number)
    image = body_image(label, np.random.default_rng(number))
    for name, array in zip(ARRAYS, (image, label), strict=True):
        np.save(folder / name, array)
