"""Charts of a sweep: how it went, what it costs, which settings matter, where good points lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import optuna
import plotly.graph_objects as go
from optuna.importance import FanovaImportanceEvaluator
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from voxsiam.orchestration.sweeps.history import settled_trial
from voxsiam.orchestration.sweeps.plan import SweepTrial, direction, score_title
from voxsiam.orchestration.sweeps.space import Setting, Value, value_text
from voxsiam_dashboards.figures.look import ROW_COLOURS, styled
from voxsiam_dashboards.store.sweep_results import SweepResults

LEAST_TRIALS = 8
"""Trained to the end: below it nothing is said."""

RESAMPLES = 30
TREES = 32

_DONE, _STOPPED, _BEST = ROW_COLOURS[0], "#9aa5b1", ROW_COLOURS[1]


@dataclass(frozen=True)
class Importance:
    """Share of the scores' variance that a setting explains (fANOVA, Hutter et al. 2014).

    Attributes:
        share: Between 0 and 1; all settings together have 1.
        low: Between it and `high` lie 90 % of the shares of resampled trials.
    """

    setting: str
    share: float
    low: float
    high: float


def history(results: SweepResults) -> go.Figure:
    """Score of every trial in order, and the best so far; open points were stopped early."""
    figure = go.Figure()
    for name, (trials, colour) in _groups(results).items():
        figure.add_trace(
            _points(trials, [trial.number for trial in trials], name, colour, results.score)
        )
    figure.add_scatter(
        x=[trial.number for trial in results.finished],
        y=list(accumulate((trial.objectives[results.score] for trial in results.finished), max)),
        name="best so far",
        mode="lines",
        line={"shape": "hv", "color": _BEST},
    )
    figure.update_xaxes(title_text="Trial").update_yaxes(title_text=score_title(results.score))
    return styled(figure, height=360)


def pareto(results: SweepResults) -> go.Figure | None:
    """Score against training time; the line joins the trials that no other beats in both."""
    done = results.finished
    if not done:
        return None
    score, other = results.score, results.other
    front = pareto_front(done, score, other)
    costs = [trial.objectives[other] for trial in done]
    figure = go.Figure(_points(done, costs, "trained to the end", _DONE, score))
    figure.add_scatter(
        x=[trial.objectives[other] for trial in front],
        y=[trial.objectives[score] for trial in front],
        name="not beaten in both",
        mode="lines+markers",
        line={"shape": "hv", "color": _BEST},
        marker={"size": 11, "symbol": "circle-open", "line": {"width": 2}},
        hoverinfo="skip",
    )
    figure.update_xaxes(title_text=score_title(other)).update_yaxes(title_text=score_title(score))
    return styled(figure, height=360)


def pareto_front(
    trials: Sequence[SweepTrial], score: str = "dsc", other: str = "seconds"
) -> list[SweepTrial]:
    """Return the trials that no other beats in both, the best in the other one first."""
    sign = 1 if direction(other) == "minimize" else -1
    front: list[SweepTrial] = []
    ordered = sorted(trials, key=lambda t: (sign * t.objectives[other], -t.objectives[score]))
    for trial in ordered:
        if not front or trial.objectives[score] > front[-1].objectives[score]:
            front.append(trial)
    return front


def slices(results: SweepResults) -> go.Figure:
    """Score against each setting; open points were stopped early."""
    settings = results.settings
    figure = make_subplots(rows=1, cols=len(settings), shared_yaxes=True)
    for column, setting in enumerate(settings, start=1):
        for name, (trials, colour) in _groups(results).items():
            places = [trial.values[setting.name] for trial in trials]
            points = _points(trials, places, name, colour, results.score)
            figure.add_trace(points.update(showlegend=column == 1), row=1, col=column)
        axis: dict[str, object] = {"title_text": setting.name}
        if setting.log:
            axis |= {"type": "log", "dtick": 1}
        if setting.choices:
            axis |= {"type": "category", "categoryarray": list(setting.choices)}
        figure.update_xaxes(axis, row=1, col=column)
    figure.update_yaxes(title_text=score_title(results.score), col=1)
    return styled(figure, height=360)


def parallel(results: SweepResults) -> go.Figure | None:
    """Draw every trial trained to the end as a line through its settings, coloured by its score.

    Plain lines: plotly's own parallel coordinates need WebGL, which remote desktops often lack.
    """
    done = results.finished
    if len(done) < 2:
        return None
    scores = [trial.objectives[results.score] for trial in done]
    places, ends = [], []
    for setting in results.settings:
        values = [trial.values[setting.name] for trial in done]
        heights = [_height(value, setting) for value in values]
        places.append(_spread(heights))
        ends.append(tuple(value_text(values[heights.index(end(heights))]) for end in (min, max)))
    places.append(_spread(scores))
    ends.append((f"{min(scores):.3f}", f"{max(scores):.3f}"))
    names = [*(setting.name for setting in results.settings), score_title(results.score)]
    colours = sample_colorscale("Viridis", places[-1])
    figure = go.Figure()
    for number, trial in enumerate(done):
        settings = [*trial.values.items(), ("DSC", scores[number])]
        told = "<br>".join(f"{name} {value_text(value)}" for name, value in settings)
        figure.add_scatter(
            x=list(range(len(names))),
            y=[place[number] for place in places],
            mode="lines+markers",
            line={"color": colours[number]},
            hovertemplate=f"trial {trial.number}<br>{told}<extra></extra>",
        )
    for position, (least, greatest) in enumerate(ends):
        figure.add_vline(position, line={"color": _STOPPED, "width": 1})
        for y, text, anchor in ((0, least, "top"), (1, greatest, "bottom")):
            figure.add_annotation(x=position, y=y, text=text, yanchor=anchor, showarrow=False)
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, showgrid=False)
    figure.update_yaxes(visible=False, range=[-0.15, 1.15])
    return styled(figure, height=380).update_layout(showlegend=False)


def importances(results: SweepResults) -> tuple[Importance, ...]:
    """Estimate the importance of each setting, with intervals by resampling the trials.

    Only finished trials count: the others were not trained to the end. The most important comes
    first; nothing is told below LEAST_TRIALS, of a single setting, or where all scores are equal.
    """
    done = results.finished
    scores = {trial.objectives[results.score] for trial in done}
    if len(done) < LEAST_TRIALS or len(results.settings) < 2 or len(scores) < 2:
        return ()
    rng = np.random.default_rng(0)
    drawn = [_shares(results, _resample(rng, done, results.score)) for _ in range(RESAMPLES)]
    found = []
    for name, share in _shares(results, done).items():
        low, high = np.quantile([shares[name] for shares in drawn], (0.05, 0.95))
        found.append(Importance(name, share, float(low), float(high)))
    return tuple(sorted(found, key=lambda each: -each.share))


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
    figure.update_xaxes(title_text="Share of the variance of the score", rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    return styled(figure, height=120 + 46 * len(found))


def _groups(results: SweepResults) -> dict[str, tuple[Sequence[SweepTrial], str]]:
    """Sort out the trials that have a score; with the colour of each group."""
    stopped = [trial for trial in results.trials if trial.state == "stopped" and trial.curve]
    return {"trained to the end": (results.finished, _DONE), "stopped early": (stopped, _STOPPED)}


def _points(
    trials: Sequence[SweepTrial], places: Sequence[Value], name: str, colour: str, score: str
) -> go.Scatter:
    texts = [
        f"trial {t.number}, epoch {max(t.curve, default=0)}<br>"
        + "<br>".join(f"{setting}: {value_text(value)}" for setting, value in t.values.items())
        for t in trials
    ]
    symbol = "circle-open" if colour == _STOPPED else "circle"
    return go.Scatter(
        x=list(places),
        y=[trial.last_score(score) for trial in trials],
        name=name,
        mode="markers",
        marker={"color": colour, "size": 8, "symbol": symbol},
        text=texts,
        hovertemplate="%{text}<br>DSC %{y:.4f}<extra></extra>",
    )


def _height(value: Value, setting: Setting) -> float:
    """Place a value on its axis: those that are no numbers in the order of the choices."""
    if setting.choices and not all(isinstance(each, int | float) for each in setting.choices):
        return float(setting.choices.index(value))
    return math.log10(float(value)) if setting.log else float(value)


def _spread(values: Sequence[float]) -> list[float]:
    """Place values on an axis from 0, the least, to 1, the greatest."""
    least, span = min(values), max(values) - min(values)
    return [(value - least) / span if span else 0.5 for value in values]


def _resample(
    rng: np.random.Generator, trials: Sequence[SweepTrial], score: str
) -> list[SweepTrial]:
    """Draw trials with replacement, at least two of different scores."""
    while True:
        drawn = [trials[index] for index in rng.integers(0, len(trials), len(trials)).tolist()]
        if len({trial.objectives[score] for trial in drawn}) > 1:
            return drawn


def _shares(results: SweepResults, trials: Sequence[SweepTrial]) -> dict[str, float]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    distributions = {setting.name: setting.distribution() for setting in results.settings}
    for trial in trials:
        study.add_trial(settled_trial(trial, distributions, (results.score,)))
    evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {setting.name: float(found.get(setting.name, 0.0)) for setting in results.settings}
