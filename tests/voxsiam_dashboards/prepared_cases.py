"""The prepared set that the made-up study was trained with: its test cases, voxel for voxel."""

from pathlib import Path

import numpy as np

from tests.voxsiam_dashboards.study_store import SHAPE, SPACING_MM, body_image, ellipsoids
from voxsiam.types import PAPER_ORGANS
from voxsiam.volumes.orientation import axis_order
from voxsiam.volumes.placement import Placement, whole_box
from voxsiam.volumes.preparation import PREPARATION_VERSION, PreparedVolume
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.entries import write_entry
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared
from voxsiam_data.prepared.record import PreparedCase, PreparedRecord, data_fingerprint


def truth_of(number: int) -> np.ndarray:
    return ellipsoids(SHAPE, growth=1 + 0.1 * number)


def write_prepared(root: Path, count: int = 3) -> PreparedSet:
    (root / "volumes").mkdir(parents=True)
    config = PreparationConfig(grid_dhw=SHAPE)
    cases = []
    for number in range(count):
        key = f"{number:016x}"
        facts = write_entry(root / "volumes", key, _volume(number))
        cases.append(
            PreparedCase(case_id=f"00{number}", patient_id=f"p{number}", source="made up", key=key,
                         **facts.for_record())
        )  # fmt: skip
    record = PreparedRecord(
        version=PREPARATION_VERSION, name="phantom-30", kind="phantom", config=config,
        fingerprint=data_fingerprint(config, cases), cases=tuple(cases),
    )  # fmt: skip
    (root / "prepared.json").write_text(record.model_dump_json())
    return open_prepared(root)


def _volume(number: int) -> PreparedVolume:
    label = truth_of(number)
    return PreparedVolume(
        image=body_image(label, np.random.default_rng(number)),
        label=label,
        native_label=label,
        annotated=tuple(range(1, len(PAPER_ORGANS) + 1)),
        organs=PAPER_ORGANS,
        placement=Placement(axis_order(np.eye(4)), SHAPE, SPACING_MM, whole_box(SHAPE)),
        spacing_mm=SPACING_MM,
    )
