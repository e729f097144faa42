"""The list of studies and sweeps: which there are, how far each is, what it cost."""

from collections.abc import Sequence

import dash_ag_grid
from dash import Dash, Input, Output, no_update
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.parts import notice, saves
from voxsiam_dashboards.browser.view import View
from voxsiam_dashboards.store.study_list import StudyEntry
from voxsiam_dashboards.tables.text_table import TextTable

COLUMNS = {
    "study_id": ("Study", None),
    "owner": ("Owner", 150),
    "kind": ("Kind", 95),
    "preset": ("Preset", 95),
    "state": ("State", 110),
    "trainings": ("Trainings", 150),
    "cost": ("Worker-hours", 130),
    "started": ("Started (UTC)", 160),
    "data_name": ("Data", 150),
    "data": ("Data fingerprint", 170),
}
"""Title and width of each."""

_LINK = {"cellRenderer": "StudyLink", "flex": 1, "minWidth": 200}
_ALL_SHOWN = 20
"""The page is as long as a list of so many; a longer one scrolls by itself, row by row."""


def _content(store: CachedStore, address: Address) -> list[Component | str]:
    entries = store.studies()
    if not entries:
        return [
            notice(
                "No study has been run with this tracking store yet.",
                f"store: {store.tracking_uri}",
                "run one: voxsiam study run table3 --preset tiny",
            )
        ]
    short = len(entries) <= _ALL_SHOWN
    grid = dash_ag_grid.AgGrid(
        id="studies",
        rowData=[_line(entry) for entry in entries],
        getRowId="params.data.address",
        columnDefs=[
            {"field": field, "headerName": title, "width": width}
            | (_LINK if field == "study_id" else {})
            for field, (title, width) in COLUMNS.items()
        ],
        defaultColDef={"filter": True, "floatingFilter": True,
                       "filterParams": {"debounceMs": 100}, "cellDataType": False,
                       "sortable": True, "resizable": True},
        dashGridOptions={"animateRows": False, "enableCellTextSelection": True,
                         "tooltipShowDelay": 300, "domLayout": "autoHeight" if short else "normal"},
        style={"height": None if short else "76vh"},
    )  # fmt: skip
    return [saves(address, 0), grid]


def _line(entry: StudyEntry) -> dict[str, str]:
    return {
        "study_id": entry.study_id,
        "owner": entry.owner,
        "kind": entry.kind,
        "preset": entry.preset,
        "state": entry.state,
        "trainings": _trainings(entry),
        "cost": "" if entry.worker_hours is None else f"{entry.worker_hours:.2f}",
        "started": f"{entry.started:%Y-%m-%d %H:%M}",
        "data_name": entry.data_name,
        "data": entry.data,
        "address": str(Address(entry.kind, entry.run_id)),
    }


def _trainings(entry: StudyEntry) -> str:
    """Say how many are done, of how many, and how many failed; nothing where nobody counted."""
    if entry.finished is None:
        return "" if entry.planned is None else f"{entry.planned} planned"
    of = "" if entry.planned is None else f" of {entry.planned}"
    failed = f", {entry.failed} failed" if entry.failed else ""
    return f"{entry.finished}{of}{failed}"


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:  # noqa: ARG001
    lines = [_line(entry) for entry in store.studies()]
    body = tuple(tuple(line[field] for field in COLUMNS) for line in lines)
    return (TextTable("Studies", tuple(title for title, _ in COLUMNS.values()), body),)


def _register(app: Dash, store: CachedStore) -> None:
    @app.callback(
        Output("studies", "rowData"), Input("tick", "n_intervals"), prevent_initial_call=True
    )
    def refresh(_: int) -> object:
        try:
            return [_line(entry) for entry in store.studies()]
        except UserError:
            return no_update


def _live(store: CachedStore, address: Address) -> None:  # noqa: ARG001
    """Show nothing; where the store does not answer any more, that is told above the list."""
    store.studies()


VIEW = View("Studies", _content, _tables, live=_live, register=_register)
