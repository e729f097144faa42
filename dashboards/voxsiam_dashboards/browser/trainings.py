"""How far the trainings of a study or a sweep are, drawn anew while they run."""

import json
from functools import lru_cache
from typing import Any

from dash import html
from dash.development.base_component import Component
from plotly.io.json import to_json_plotly

from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.parts import scrolled
from voxsiam_dashboards.store.study_list import TrialProgress
from voxsiam_dashboards.tables.cost import clock

COLUMNS = ("Row", "Seed", "State", "Epoch", "Loss", "DSC", "Time left", "Why")


def live_trainings(store: CachedStore, address: Address) -> Component | None:
    """Show the trainings while the study is not whole; a study that is whole needs it no more."""
    entry = store.entry(address.run_id)
    trials = store.progress(address.run_id)
    if entry.state == "finished" and all(trial.state == "finished" for trial in trials):
        return None
    waiting = max(0, (entry.planned or 0) - len(trials))
    left = f"{waiting} more not started." if waiting else ""
    return html.Section(
        [
            html.H2(f"Trainings: {entry.state}"),
            scrolled(COLUMNS, [_line(store.run_address(t.run_id), t) for t in trials]),
            html.P(f"Drawn anew every few seconds. {left}", className="soft"),
        ]
    )


@lru_cache(maxsize=4096)
def _line(run_address: str, trial: TrialProgress) -> Any:  # noqa: ANN401
    """Return a line as the browser gets it: at each tick those that did not change are there."""
    of = "" if trial.epochs is None else f" of {trial.epochs}"
    survived = f"survived {trial.incidents}" if trial.incidents else ""
    line = html.Tr(
        [
            html.Th(html.A(trial.row, href=run_address), scope="row"),
            html.Td(trial.seed),
            html.Td(trial.state, className=f"state {trial.state}"),
            html.Td(f"{trial.epoch}{of}"),
            html.Td("" if trial.loss is None else f"{trial.loss:.3f}"),
            html.Td("" if trial.dsc is None else f"{trial.dsc:.3f} "
                    f"({'test' if trial.tested else 'validation'})"),
            html.Td("" if trial.left_s is None else clock(trial.left_s)),
            html.Td(trial.error or survived, className="wrapped"),
        ]
    )  # fmt: skip
    return json.loads(str(to_json_plotly(line)))
