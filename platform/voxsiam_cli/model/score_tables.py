"""What `voxsiam evaluate` shows and writes: tables, CSV and JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rich.table import Table

from voxsiam.metrics.organ_means import (
    Counts,
    Mean,
    count_organs,
    organ_figures,
    overall_means,
)
from voxsiam.metrics.organ_score import OrganScore
from voxsiam.metrics.scoring_rules import empty_mask_policy
from voxsiam.types import Shape
from voxsiam_cli.console import console, say
from voxsiam_dashboards.tables.text_table import csv_text as table_text

if TYPE_CHECKING:
    from voxsiam_data.evaluation.scoring import Comparison, Scored

_NATIVE = {"dsc_native": "DSC", "hd95_mm_native": "HD95 mm", "assd_mm_native": "ASSD mm"}

_GRID = {
    "dsc": "DSC",
    "hd95_grid": "HD95 voxels",
    "assd_grid": "ASSD voxels",
    "hd95_mm_grid": "HD95 mm",
    "assd_mm_grid": "ASSD mm",
}


def show_scores(comparison: "Comparison", scores: Sequence[OrganScore]) -> None:
    """Print the means by organ, and how empty masks were counted."""
    organs = comparison.rules.classes
    console.print(_table("On the scans' own grids", scores, _NATIVE, organs, native=True))
    if comparison.grid_dhw is not None:
        title = f"On the grid {'x'.join(map(str, _hwd(comparison.grid_dhw)))}"
        console.print(_table(title, scores, _GRID, organs, native=False))
    if _left_out(comparison):
        say(f"left out (not asked for, or not in the protocols): {_left_out(comparison)}")
    policy = Table(
        "reference", "prediction", "DSC", "HD95, ASSD", "counted as", title="Empty masks"
    )
    for rule in empty_mask_policy(comparison.rules.missed_distance):
        policy.add_row(*asdict(rule).values())
    console.print(policy)


def _table(
    title: str,
    scores: Sequence[OrganScore],
    measures: dict[str, str],
    organs: Sequence[str],
    *,
    native: bool,
) -> Table:
    figures = organ_figures(scores, organs)
    table = Table(
        "organ",
        title=title,
        caption="means ± SD over cases; measured: organs behind the mean distances",
    )
    for heading in (*measures.values(), "measured", "scored", "missed", "invented"):
        table.add_column(heading, justify="right")
    distance = next(name for name in measures if not name.startswith("dsc"))
    for one in figures:
        counts = one.native if native else one.grid
        cells = _cells(one.means, measures, counts, one.means[distance].count, one.sds)
        table.add_row(one.organ, *cells)
    table.add_section()
    total = count_organs(scores, "native" if native else "grid")
    means = overall_means(figures)
    measured = sum(one.means[distance].count for one in figures)
    table.add_row("mean of organs", *_cells(means, measures, total, measured))
    return table


def _cells(
    means: Mapping[str, Mean],
    measures: dict[str, str],
    counts: Counts,
    measured: int,
    sds: Mapping[str, float] = MappingProxyType({}),
) -> list[str]:
    shown = [_figure(means[name].value, sds.get(name, float("nan"))) for name in measures]
    return [*shown, *map(str, (measured, counts.scored, counts.missed, counts.invented))]


def _figure(mean: float, sd: float) -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:.3f}" if math.isnan(sd) else f"{mean:.3f} ± {sd:.3f}"


def json_content(comparison: "Comparison", scored: "Scored") -> dict[str, Any]:
    """Return all that `--json` writes."""
    from voxsiam.metrics.case_scores import summarise

    grid, scores = comparison.grid_dhw, scored.scores
    return {
        "protocol": comparison.reference.name,
        "prediction_protocol": comparison.prediction.name,
        "organs": comparison.rules.organs,
        "left_out": _left_out(comparison),
        "missed_distance": comparison.rules.missed_distance,
        "distances": comparison.rules.distances.model_dump(),
        "grid": None if grid is None else "x".join(map(str, _hwd(grid))),
        "geometry": comparison.geometry,
        "notes": scored.notes,
        "empty_masks": [
            asdict(rule) for rule in empty_mask_policy(comparison.rules.missed_distance)
        ],
        "summary": summarise(scores, comparison.rules.classes),
        "organ_means": [asdict(one) for one in organ_figures(scores, comparison.rules.classes)],
        "scores": [asdict(score) for score in scores],
    }


def _left_out(comparison: "Comparison") -> str:
    known = (*comparison.reference.classes(), *comparison.prediction.classes())
    return ", ".join(o for o in dict.fromkeys(known) if o not in comparison.rules.organs)


def csv_text(scores: Sequence[OrganScore]) -> str:
    """Write every organ of every case, one a line."""
    return table_text([[f.name for f in fields(OrganScore)], *(astuple(score) for score in scores)])


def without_nan(value: object) -> object:
    """JSON has no NaN: what is left out becomes null."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _hwd(grid_dhw: Shape) -> Shape:
    d, h, w = grid_dhw
    return h, w, d
