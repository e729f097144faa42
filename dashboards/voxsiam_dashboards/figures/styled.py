"""The look that all charts share."""

import plotly.graph_objects as go

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


_GRID = "#e3e6ea"


def styled(figure: go.Figure, height: int) -> go.Figure:
    """Give a chart the fonts, lines and margins of all charts."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 56, "r": 16, "t": 40, "b": 48},
        font={"family": _FONT, "size": 13, "color": "#1c2430"},
        legend={"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0},
    )
    axis = {"gridcolor": _GRID, "zeroline": False, "title_font": {"size": 13}}
    figure.update_xaxes(axis).update_yaxes(axis)
    figure.update_annotations(font_size=14)
    return figure
