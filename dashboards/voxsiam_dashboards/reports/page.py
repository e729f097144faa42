"""A page from its template: every text is escaped, and a name that is missing is an error."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined

PAGE = "index.html"
"""What a folder is opened by."""


def render_page(template: str, **content: Any) -> str:  # noqa: ANN401
    """Fill a template of this package, named without its ending, with what it names."""
    environment = Environment(
        loader=PackageLoader("voxsiam_dashboards.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{template}.html.j2").render(content)


def page_part(name: str) -> str:
    """Return style.css, which all pages share, or turn.js, which turns a chart's views together."""
    return resources.files("voxsiam_dashboards.reports").joinpath("templates", name).read_text()


_TURNS = """
const chart = document.getElementById("{plot_id}");
chart.on("plotly_relayout", (change) => turnTogether(chart, change));
"""
SCRIPTS = {"surfaces": f"{page_part('turn.js')}{_TURNS}"}
"""What a chart does beyond what plotly does by itself."""


def chart_fragments(charts: Mapping[str, go.Figure | None]) -> dict[str, str]:
    """Write the charts that there are, by name, as parts of a page that brings plotly along."""
    return {
        name: chart.to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=f"chart-{name}",
            post_script=SCRIPTS.get(name),
            config={"displayModeBar": False, "responsive": True},
        )
        for name, chart in charts.items()
        if chart is not None
    }
