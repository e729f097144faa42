"""Mean and standard deviation of the training cases' intensities, and on whom they were computed.

They are what `intensity=standard` asks for. Each is kept beside the prepared set as
`statistics-<name>.json`, so that a split whose test cases took part can be refused.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voxsiam.durable_files import write_text_atomically
from voxsiam.errors import UserError
from voxsiam.fingerprint import fingerprint
from voxsiam.small_files import read_json_bytes
from voxsiam.types import Frozen
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.side_by_side import OnCase, unheard


class IntensityStatistics(Frozen):
    """Statistics of the windowed intensities of some cases, each voxel of the grid counted once.

    Attributes:
        cases: On which they were computed.
        data: Fingerprint of the prepared set that was read.
        window_hu: Intensities were clipped to it.
    """

    mean_hu: float
    std_hu: float
    cases: tuple[str, ...]
    data: str
    window_hu: tuple[float, float]

    @property
    def settings(self) -> tuple[str, ...]:
        """Settings of `voxsiam data prepare` that use them."""
        return (
            "intensity=standard",
            f"mean_hu={self.mean_hu}",
            f"std_hu={self.std_hu}",
            f"window_hu=[{self.window_hu[0]:g}, {self.window_hu[1]:g}]",
        )


def compute_statistics(
    prepared: PreparedSet, case_ids: Sequence[str], on_case: OnCase = unheard
) -> IntensityStatistics:
    """Compute them over all grid voxels of cases of a set with intensity=unit, which knows HU."""
    config = prepared.config
    if config.intensity != "unit":
        raise UserError(
            f"The set was prepared with intensity={config.intensity}, which hides the HU.",
            where=str(prepared.root),
            fix="give the same data prepared with intensity=unit, the default",
        )
    total, squares, count = 0.0, 0.0, 0
    for number, case_id in enumerate(sorted(case_ids), start=1):
        unit = prepared.load(case_id).image.astype(np.float64)
        total, squares = total + float(unit.sum()), squares + float((unit**2).sum())
        count += unit.size
        on_case(number, len(case_ids))
    mean = total / count
    low, high = config.window_hu
    deviation = max(squares / count - mean**2, 0) ** 0.5 * (high - low)
    # Six digits are far more than the intensities have, and can be typed.
    return IntensityStatistics(
        mean_hu=round(low + mean * (high - low), 4),
        std_hu=round(deviation, 4),
        cases=tuple(sorted(case_ids)),
        data=prepared.fingerprint,
        window_hu=config.window_hu,
    )


def keep_statistics(folder: Path, statistics: IntensityStatistics) -> Path:
    """Write the record into the folder of a prepared set."""
    name = fingerprint(statistics.model_dump(mode="json"))[:8]
    path = folder / f"statistics-{name}.json"
    write_text_atomically(path, statistics.model_dump_json(indent=1))
    return path


def known_statistics(folder: Path, mean_hu: float, std_hu: float) -> list[IntensityStatistics]:
    """Find the records of a folder that gave these numbers."""
    found: list[IntensityStatistics] = []
    for path in sorted(folder.glob("statistics-*.json")):
        try:
            found.append(IntensityStatistics.model_validate_json(read_json_bytes(path)))
        except (OSError, ValueError) as error:
            raise UserError(
                "The record of intensity statistics cannot be read.",
                where=str(path),
                fix="remove it and compute it again: voxsiam data statistics",
            ) from error
    return [each for each in found if (each.mean_hu, each.std_hu) == (mean_hu, std_hu)]
