"""DSC against the share of labelled training cases: ours with bands, and the paper's."""

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.parts import chart, notice, text_table
from voxsiam_dashboards.browser.view import View
from voxsiam_dashboards.figures.label_curve import label_curve, label_curves, label_table
from voxsiam_dashboards.tables.text_table import TextTable


def _content(store: CachedStore, address: Address) -> list[Component]:
    table = store.table(address.run_id)
    curves = label_curves(table)
    title = html.H1("How many labelled cases are needed?")
    if not curves:
        shares = sorted({row.label_fraction for row in table.rows}) or [1.0]
        one_share = notice(
            "Every row of this study is trained on the same share of the training cases "
            f"({shares[0]:.0%}), so there is no curve.",
            "The study of shares is Figure 7: voxsiam study run fig7 --preset mini",
        )
        return [title, one_share]
    drawn = label_curve(curves)
    missing = notice(
        "No row of this study has finished yet, so there is no curve.",
        f"Wait for it, or go on with it: voxsiam study resume {table.results.study_id}",
    )
    return [
        title,
        missing if drawn is None else chart("labels", drawn),
        text_table(label_table(curves), address),
    ]


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    curves = label_curves(store.table(address.run_id))
    return (label_table(curves),) if curves else ()


VIEW = View("Label fractions", _content, _tables)
