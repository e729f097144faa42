"""Charts of a sweep: how it went, what it costs, which settings matter, where good points lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from voxsiam.orchestration.sweeps.plan import SweepTrial
from voxsiam.orchestration.sweeps.space import Setting
from voxsiam_dashboards.figures.importance import Importance
from voxsiam_dashboards.figures.palette import ROW_COLOURS
from voxsiam_dashboards.figures.styled import styled
from voxsiam_dashboards.store.sweep_results import SweepResults

_DONE, _STOPPED, _BEST = ROW_COLOURS[0], "#9aa5b1", ROW_COLOURS[1]
_DSC = "Validation DSC (0 to 1)"


def history(results: SweepResults) -> go.Figure:
    """Score of every trial in order, and the best so far; open points were stopped early."""
    figure = go.Figure()
    done = results.finished
    figure.add_trace(_points(done, [t.number for t in done], "trained to the end", _DONE))
    stopped = [trial for trial in results.trials if trial.state == "stopped" and trial.curve]
    figure.add_trace(_points(stopped, [t.number for t in stopped], "stopped early", _STOPPED))
    best = _best_so_far(done)
    figure.add_trace(
        go.Scatter(
            x=list(best),
            y=list(best.values()),
            name="best so far",
            mode="lines",
            line={"shape": "hv", "color": _BEST},
        )
    )
    figure.update_xaxes(title_text="Trial").update_yaxes(title_text=_DSC)
    return styled(figure, height=360)


def pareto(results: SweepResults) -> go.Figure | None:
    """Score against training time; the line joins the trials that no other beats in both."""
    done = results.finished
    if not done:
        return None
    seconds = [trial.objectives["seconds"] for trial in done]
    front = pareto_front(done)
    figure = go.Figure(_points(done, seconds, "trained to the end", _DONE))
    figure.add_trace(
        go.Scatter(
            x=[trial.objectives["seconds"] for trial in front],
            y=[trial.objectives["dsc"] for trial in front],
            name="not beaten in both",
            mode="lines+markers",
            line={"shape": "hv", "color": _BEST},
            marker={"size": 11, "symbol": "circle-open", "line": {"width": 2}},
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title_text="Training time of a run (s)").update_yaxes(title_text=_DSC)
    return styled(figure, height=360)


def pareto_front(trials: Sequence[SweepTrial]) -> list[SweepTrial]:
    """Return the trials that no other beats in score and time, the quickest first."""
    front: list[SweepTrial] = []
    ordered = sorted(trials, key=lambda t: (t.objectives["seconds"], -t.objectives["dsc"]))
    for trial in ordered:
        if not front or trial.objectives["dsc"] > front[-1].objectives["dsc"]:
            front.append(trial)
    return front


def slices(results: SweepResults) -> go.Figure:
    """Score against each setting; open points were stopped early."""
    settings = results.settings
    figure = make_subplots(rows=1, cols=len(settings), shared_yaxes=True)
    groups = {
        "trained to the end": (results.finished, _DONE),
        "stopped early": (
            [t for t in results.trials if t.state == "stopped" and t.curve],
            _STOPPED,
        ),
    }
    for column, setting in enumerate(settings, start=1):
        for name, (trials, colour) in groups.items():
            places = [trial.values[setting.name] for trial in trials]
            points = _points(trials, places, name, colour).update(showlegend=column == 1)
            figure.add_trace(points, row=1, col=column)
        axis: dict[str, object] = {"title_text": setting.name}
        if setting.log:
            axis |= {"type": "log", "dtick": 1}
        if setting.choices:
            axis |= {"type": "category", "categoryarray": sorted(setting.choices)}
        figure.update_xaxes(axis, row=1, col=column)
    figure.update_yaxes(title_text=_DSC, col=1)
    return styled(figure, height=360)


def parallel(results: SweepResults) -> go.Figure | None:
    """Draw every trial trained to the end as a line through its settings, coloured by its score.

    Plain lines: plotly's own parallel coordinates need WebGL, which remote desktops often lack.
    """
    done = results.finished
    if len(done) < 2:
        return None
    axes = [_axis(setting, [t.values[setting.name] for t in done]) for setting in results.settings]
    scores = [trial.objectives["dsc"] for trial in done]
    axes.append(_Axis("validation DSC", scores, (f"{min(scores):.3f}", f"{max(scores):.3f}")))
    places = [axis.places for axis in axes]
    colours = sample_colorscale("Viridis", places[-1])
    figure = go.Figure()
    for number, trial in enumerate(done):
        settings = [*trial.values.items(), ("DSC", scores[number])]
        told = "<br>".join(f"{name} {value:.4g}" for name, value in settings)
        figure.add_scatter(
            x=list(range(len(axes))),
            y=[place[number] for place in places],
            mode="lines+markers",
            line={"color": colours[number]},
            hovertemplate=f"trial {trial.number}<br>{told}<extra></extra>",
        )
    for position, axis in enumerate(axes):
        figure.add_vline(position, line={"color": _STOPPED, "width": 1})
        for y, text, anchor in ((0, axis.ends[0], "top"), (1, axis.ends[1], "bottom")):
            figure.add_annotation(x=position, y=y, text=text, yanchor=anchor, showarrow=False)
    figure.update_xaxes(
        tickvals=list(range(len(axes))), ticktext=[axis.name for axis in axes], showgrid=False
    )
    figure.update_yaxes(visible=False, range=[-0.15, 1.15])
    return styled(figure, height=380).update_layout(showlegend=False)


def importance_bars(found: Sequence[Importance]) -> go.Figure | None:
    """Share of the scores' variance by setting, with intervals."""
    if not found:
        return None
    shares = [each.share for each in found]
    figure = go.Figure(
        go.Bar(
            x=shares,
            y=[each.setting for each in found],
            orientation="h",
            marker={"color": _DONE},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [max(0.0, each.high - each.share) for each in found],
                "arrayminus": [max(0.0, each.share - each.low) for each in found],
            },
        )
    )
    figure.update_xaxes(
        title_text="Share of the variance of the validation DSC", rangemode="tozero"
    )
    figure.update_yaxes(autorange="reversed")
    return styled(figure, height=120 + 46 * len(found))


def last_score(trial: SweepTrial) -> float:
    """Return a trial's score: its objective, or that of the last epoch that it has seen."""
    return trial.objectives.get("dsc", trial.curve.get(max(trial.curve, default=0), math.nan))


def _best_so_far(done: Sequence[SweepTrial]) -> dict[int, float]:
    best: dict[int, float] = {}
    for trial in done:
        best[trial.number] = max([trial.objectives["dsc"], *best.values()])
    return best


def _points(
    trials: Sequence[SweepTrial], places: Sequence[float], name: str, colour: str
) -> go.Scatter:
    texts = [
        f"trial {t.number}, epoch {max(t.curve, default=0)}<br>"
        + "<br>".join(f"{setting}: {value:.4g}" for setting, value in t.values.items())
        for t in trials
    ]
    symbol = "circle-open" if colour == _STOPPED else "circle"
    return go.Scatter(
        x=list(places),
        y=[last_score(trial) for trial in trials],
        name=name,
        mode="markers",
        marker={"color": colour, "size": 8, "symbol": symbol},
        text=texts,
        hovertemplate="%{text}<br>DSC %{y:.4f}<extra></extra>",
    )


@dataclass(frozen=True)
class _Axis:
    """One upright line of the parallel coordinates, with what its two ends stand for."""

    name: str
    values: list[float]
    ends: tuple[str, str]

    @property
    def places(self) -> list[float]:
        """From 0, the least value, to 1, the greatest."""
        least, span = min(self.values), max(self.values) - min(self.values)
        return [(value - least) / span if span else 0.5 for value in self.values]


def _axis(setting: Setting, values: Sequence[float]) -> _Axis:
    ends = (f"{min(values):.4g}", f"{max(values):.4g}")
    return _Axis(setting.name, [math.log10(v) if setting.log else float(v) for v in values], ends)
