"""Label maps of any tool, scored against references: what `voxsiam evaluate` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voxsiam.metrics.scoring_rules import DistanceConfig, MissedDistance, ScoringRules
from voxsiam.types import Shape
from voxsiam.volumes.nifti_geometry import Form
from voxsiam.volumes.unused_file import UnusedFile
from voxsiam_data.evaluation.found_labels import find_labels, meanings, unused_labels
from voxsiam_data.evaluation.scoring import (
    Comparison,
    Scored,
    comparable_organs,
    find_pairs,
    score_pairs,
)
from voxsiam_data.labels.dataset_json import find_protocol
from voxsiam_data.side_by_side import OnCase, unheard


@dataclass(frozen=True)
class Evaluation:
    """The scores of many cases.

    Attributes:
        comparison: How they were scored.
        scored: Every organ of every case, and what was odd about the files of a case.
        unused: By the path that was given, what lies there and is no case's.
    """

    comparison: Comparison
    scored: Scored
    unused: Mapping[Path, Sequence[UnusedFile]]

    @property
    def scores(self) -> pd.DataFrame:
        """One line for each case and organ; the columns are the fields of OrganScore."""
        return pd.DataFrame(self.scored.scores)


def evaluate(  # noqa: PLR0913
    predictions: Path | str,
    references: Path | str,
    *,
    protocol: str | None = None,
    labels: Path | str | None = None,
    prediction_protocol: str | None = None,
    organs: Sequence[str] = (),
    grid_dhw: Shape | None = None,
    missed_distance: MissedDistance = "left_out",
    distances: DistanceConfig = DistanceConfig(),
    geometry: Form | None = None,
    ignored: Sequence[str] = (),
    on_case: OnCase = unheard,
) -> Evaluation:
    """Score predicted label maps against references: DSC, HD95 and ASSD of every organ (IV-C).

    Distances are in mm on the scan's own grid. Files are paired by case; each side is a label map,
    a folder of them, or masks named after their organs.

    Args:
        protocol: What the label values mean, by a name that `voxsiam evaluate --help` lists; else
            what a dataset.json beside the references says, else ours.
        labels: A dataset.json that says so.
        prediction_protocol: The same for the predictions, where it differs.
        organs: To score; by default all that both sides can hold.
        grid_dhw: Score on this grid too, in its voxels and in mm.
        missed_distance: What a missed organ does to a distance (docs/metrics.md).
        geometry: The form of the NIfTI headers to believe where they say two things.
        ignored: Patterns of files that are no case's on purpose.
        on_case: Told (cases done, cases in all).

    Raises:
        UserError: A case has no other half, or a file is not what it should be.
    """
    asked = find_protocol(protocol, None if labels is None else Path(labels))
    said = find_protocol(prediction_protocol, None), asked
    sides = find_labels(Path(predictions)), find_labels(Path(references))
    pairs = find_pairs(*sides)
    protocols = meanings(*sides, *said)
    rules = ScoringRules(
        classes=comparable_organs(*protocols, organs),
        missed_distance=missed_distance,
        distances=distances,
    )
    comparison = Comparison(*protocols, rules, grid_dhw, geometry)
    scored = score_pairs(pairs, comparison, on_case=on_case)
    unused = {side.root: unused_labels(side, ignored) for side in sides}
    return Evaluation(comparison, scored, unused)
