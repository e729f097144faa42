"""A page from its template: every text is escaped, and a name that is missing is an error."""

from importlib import resources
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(template: str, **content: Any) -> str:  # noqa: ANN401
    """Fill a template of this package.

    Args:
        template: Its name, without the ending.
        content: What it names.
    """
    environment = Environment(
        loader=PackageLoader("voxsiam_dashboards.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{template}.html.j2").render(content)


def page_style() -> str:
    """Return the sheet that all pages share."""
    return _template("style.css")


def turning_script() -> str:
    """Return the function turnTogether: it turns every view of a chart when one is turned."""
    return _template("turn.js")


def _template(name: str) -> str:
    return resources.files("voxsiam_dashboards.reports").joinpath("templates", name).read_text()


def chart_fragment(name: str, figure: go.Figure, script: str | None = None) -> str:
    """Write a chart as a part of a page that brings plotly along.

    Args:
        name: Unique in its page.
        script: What it does beyond what plotly does by itself.
    """
    return figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"chart-{name}",
        post_script=script,
        config={"displayModeBar": False, "responsive": True},
    )
