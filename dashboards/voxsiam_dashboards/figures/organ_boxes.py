"""Box plots of every organ and row (Fig. 4), of Dice or of a distance."""

from collections import Counter
from collections.abc import Sequence
from html import escape

import pandas as pd
import plotly.graph_objects as go

from voxsiam.types import organ_title
from voxsiam_dashboards.figures.look import row_colour, styled
from voxsiam_dashboards.tables.group_means import group_means
from voxsiam_dashboards.tables.report_table import MANY_ORGANS, ReportTable
from voxsiam_dashboards.tables.rows import MEASURES, Measure, ReportRow

Scores = dict[tuple[str, str], float]
"""Value by organ and case."""


def organ_boxes(table: ReportTable) -> go.Figure | None:
    """Return the chart, a point for each test case (its mean over seeds); None without scores.

    Buttons choose the measure. An organ that was missed has a DSC of 0 and no distance.
    """
    figure = go.Figure()
    measures: list[str] = []
    for measure in MEASURES:
        for index, row in enumerate(table.rows):
            scores = case_means(row, measure.key)
            if scores:
                box = _box(row.label, scores, row_colour(index))
                figure.add_trace(box.update(visible=measure is MEASURES[0]))
                measures.append(measure.key)
    if not figure.data:
        return None
    figure.update_layout(boxmode="group", boxgroupgap=0.25, boxgap=0.2)
    names = [organ_title(organ) for organ in table.organs]
    figure.update_xaxes(categoryorder="array", categoryarray=names)
    if table.has_many_organs:
        # The worst are in view; the slider below the chart leads to the others.
        figure.update_xaxes(range=[-0.5, MANY_ORGANS - 0.5], rangeslider={"thickness": 0.06})
    figure.update_yaxes(title_text=MEASURES[0].title, range=[-0.03, 1.03])
    return styled(figure, height=460).update_layout(updatemenus=[_menu(measures)])


def case_means(row: ReportRow, measure: str) -> Scores:
    """Average each organ of each case over the row's finished seeds, undefined ones left out."""
    names = ["organ", "case_id"]
    done = [trial.cases.loc[:, [*names, measure]] for trial in row.trials if trial.finished]
    if not done:
        return {}
    cases = pd.concat(done)
    (organ, organs), (case, case_ids) = (pd.factorize(cases[name]) for name in names)
    means = group_means(organ * len(case_ids) + case, cases[measure].to_numpy())
    pairs = {code: divmod(code, len(case_ids)) for code in means}
    return {(str(organs[o]), str(case_ids[c])): means[code] for code, (o, c) in pairs.items()}


def missed_by_row(table: ReportTable) -> list[str]:
    """Say which organs each row missed, all seeds together; rows that missed none are left out."""
    lines = []
    for row in table.rows:
        done = [trial.cases for trial in row.trials if trial.finished]
        counts = Counter(o for cases in done for o in cases["organ"][cases["missed"].astype(bool)])
        missed = sorted((o for o in table.results.organs if counts[o]), key=lambda o: -counts[o])
        found = [f"{organ_title(organ).lower()} {counts[organ]}" for organ in missed[:MANY_ORGANS]]
        more = f" and {len(missed) - len(found)} more organs" if len(missed) > len(found) else ""
        if found:
            lines.append(f"{row.label}: {', '.join(found)}{more}")
    return lines


def _value_axis(measure: Measure) -> dict[str, object]:
    if measure.key == "dsc":
        return {"title.text": measure.title, "range": [-0.03, 1.03], "autorange": False}
    title = f"{measure.title}, missed organs left out"
    return {"title.text": title, "autorange": True, "rangemode": "tozero"}


def _menu(measures: Sequence[str]) -> dict[str, object]:
    buttons = [
        {
            "label": measure.title.split(" ")[0],
            "method": "update",
            "args": [
                {"visible": [of_trace == measure.key for of_trace in measures]},
                {f"yaxis.{name}": value for name, value in _value_axis(measure).items()},
            ],
        }
        for measure in MEASURES
    ]
    return {"type": "buttons", "direction": "right", "x": 0, "xanchor": "left", "y": 1.03,
            "yanchor": "bottom", "showactive": True, "buttons": buttons}  # fmt: skip


def _box(label: str, scores: Scores, colour: str) -> go.Box:
    return go.Box(
        x=[organ_title(organ) for organ, _ in scores],
        y=list(scores.values()),
        name=escape(label),
        text=[escape(case_id) for _, case_id in scores],
        boxpoints="all",
        pointpos=0,
        jitter=0.5,
        marker={"color": colour, "size": 4, "opacity": 0.75},
        line={"width": 1.2},
        hovertemplate="%{text}: %{y:.3f}<extra>%{fullData.name}</extra>",
    )
