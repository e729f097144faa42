"""The test cases of a study: what each row predicted in them, and where it is most wrong."""

from collections.abc import Sequence
from typing import Any

import dash_ag_grid
import pandas as pd
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from voxsiam.types import organ_title
from voxsiam_dashboards.browser.address import Address, read_address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.case_reader import CaseReader
from voxsiam_dashboards.browser.downloads import facts_address
from voxsiam_dashboards.browser.parts import chart, notice, saves, told
from voxsiam_dashboards.browser.view import View
from voxsiam_dashboards.figures.surfaces import MOST_VIEWS, bodies_of, surfaces
from voxsiam_dashboards.tables.text_table import TextTable

WORST_SHOWN = 1000
"""Lines of the table of worst cases on the page; the file has all."""

COLUMNS = {
    "case_id": ("Case", 180),
    "row": ("Row", None),
    "seed": ("Seed", 90),
    "organ": ("Organ", None),
    "dsc": ("DSC", 100),
    "hd95_mm_grid": ("HD95 (mm)", 120),
    "missed": ("Missed", 100),
}
"""Title and width of each."""

_DIGITS = {"dsc": 3, "hd95_mm_grid": 1}
BETWEEN_ROWS = "\n"
"""In an address: what no row's label holds."""


def _content(store: CachedStore, address: Address) -> list[Component]:
    reader = CaseReader(store, address.run_id)
    if not reader.cases:
        return [notice("No training of this study has been tested yet.")]
    count = sum(len(trial.cases) for trial in reader.trials)
    worst = f"The {WORST_SHOWN} worst of {count}; the files have all. "
    left = worst if count > WORST_SHOWN else ""
    return [
        *_viewer(reader, address),
        html.Div([html.H2("Worst cases"), saves(address, 0)], className="titled"),
        html.P(f"{left}A case opens at the slice with most wrong voxels of the organ.",
               className="soft"),
        _grid(reader, address),
        html.H2("Surfaces"),
        html.P("The ground truth and the rows shown above, from the front: drag to turn them all.",
               className="soft"),
        html.Button("Draw the surfaces", id="surfaces-draw", className="draw"),
        dcc.Store(id="surfaces-asked"),
        dcc.Loading(html.Div(id="surfaces")),
    ]  # fmt: skip


def _viewer(reader: CaseReader, address: Address) -> list[Component]:
    """Return the element that assets/viewer.mjs fills, with what a reader must know before it."""
    parts: list[Component] = []
    openable = reader.openable
    if reader.prepared is None:
        few = f"only {', '.join(openable)} can be opened" if openable else "no case can be opened"
        missing = "The prepared data of this study are not visible from here"
        fix = "voxsiam dashboard --data PREPARED, the folder that it was trained with"
        text = f"{missing}: {few}, as the runs keep it."
        parts.append(notice(text, f"to open all test cases: {fix}"))
    case_id = address.chosen.get("case") or next(iter(openable), "")
    if case_id:
        reader.volumes(case_id)
        facts: dict[str, Any] = {"data-viewer": facts_address(address, case_id)}
        parts.append(html.Div(id="viewer", className="voxel-viewer", **facts))
    return parts


def _grid(reader: CaseReader, address: Address) -> Component:
    openable = set(reader.openable)
    lines = worst_cases(reader).head(WORST_SHOWN).to_dict("records")
    return dash_ag_grid.AgGrid(
        id="worst",
        rowData=[_line(line, address, linked=line["case_id"] in openable) for line in lines],
        columnDefs=[_column(field, title, width) for field, (title, width) in COLUMNS.items()],
        defaultColDef={"filter": True, "sortable": True, "resizable": True},
        dashGridOptions={"animateRows": False, "enableCellTextSelection": True},
        style={"height": "420px"},
    )


def _column(field: str, title: str, width: int | None) -> dict[str, Any]:
    column: dict[str, Any] = {"field": field, "headerName": title, "width": width}
    if field == "case_id":
        column["cellRenderer"] = "StudyLink"
    if field in ("row", "organ"):
        column |= {"flex": 1, "minWidth": 120}
    if field in _DIGITS:
        shown = f"params.value == null ? '' : d3.format('.{_DIGITS[field]}f')(params.value)"
        column |= {"type": "rightAligned", "valueFormatter": {"function": shown},
                   "filter": "agNumberColumnFilter"}  # fmt: skip
    return column


def _line(line: dict[Any, Any], address: Address, *, linked: bool) -> dict[str, Any]:
    there = address.at("cases", case=line["case_id"], rows=line["row"], seed=str(line["seed"]),
                       organ=line["organ"], errors=line["row"])  # fmt: skip
    values = {field: None if line[field] != line[field] else line[field] for field in COLUMNS}
    values |= {"organ": organ_title(line["organ"]), "missed": _flag(line["missed"])}
    return values | {"address": str(there) if linked else ""}


def worst_cases(reader: CaseReader) -> pd.DataFrame:
    """List every organ of every test case of every training, the worst first.

    A missed organ is worse than any other; what has no DSC comes last.
    """
    parts = [trial.cases.assign(row=trial.row, seed=trial.seed) for trial in reader.trials]
    scores = pd.concat(parts).loc[:, list(COLUMNS)].astype({"missed": bool})
    return scores.sort_values(
        ["missed", "dsc", "hd95_mm_grid", "case_id", "row", "seed", "organ"],
        ascending=[False, True, False, True, True, True, True],
        ignore_index=True,
    )


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    reader = CaseReader(store, address.run_id)
    if not reader.cases:
        return ()
    body = tuple(
        tuple(_text(field, line[field]) for field in COLUMNS)
        for line in worst_cases(reader).to_dict("records")
    )
    return (TextTable("Worst cases", tuple(title for title, _ in COLUMNS.values()), body),)


def _text(field: str, value: Any) -> str:  # noqa: ANN401
    if value != value:
        return "-"
    if field == "organ":
        return organ_title(value)
    if field == "missed":
        return _flag(value)
    return f"{value:.{_DIGITS[field]}f}" if field in _DIGITS else str(value)


def _flag(value: object) -> str:
    return "yes" if value else "no"


def _register(app: Dash, store: CachedStore) -> None:
    # The viewer changes the address without telling Dash.
    app.clientside_callback(
        ClientsideFunction("surfaces", "search"),
        Output("surfaces-asked", "data"),
        Input("surfaces-draw", "n_clicks"),
        prevent_initial_call=True,
    )

    app.clientside_callback(
        ClientsideFunction("surfaces", "turn"), Input("chart-surfaces", "relayoutData")
    )

    @app.callback(
        Output("surfaces", "children"),
        Input("surfaces-asked", "data"),
        State("address", "pathname"),
        prevent_initial_call=True,
    )
    def draw(query: str | None, path: str | None) -> Any:  # noqa: ANN401
        address = read_address(path, query)
        if query is None or address is None:
            return no_update
        try:
            return _surfaces(CaseReader(store, address.run_id), address)
        except Exception as error:  # else the browser shows what was there
            return told(error)


def _surfaces(reader: CaseReader, address: Address) -> Component:
    case_id = address.chosen.get("case") or next(iter(reader.openable), "")
    volumes = reader.volumes(case_id)
    asked = address.chosen.get("rows", "")
    rows = [asked] if asked in reader.rows else asked.split(BETWEEN_ROWS)
    labels = [("Ground truth", volumes.label())]
    for row in rows[: MOST_VIEWS - 1]:
        own = [trial for trial in reader.predicting(case_id) if trial.row == row]
        trial = next((t for t in own if str(t.seed) == address.chosen.get("seed")), None)
        trial = trial or next(iter(own), None)
        if trial is not None:
            title = f"{row}, seed {trial.seed}"
            labels.append((title, reader.prediction(trial.run_id, case_id)))
    figure = surfaces(bodies_of(labels, volumes.spacing_mm, reader.organs))
    return chart("surfaces", figure, f"Case {case_id}. R, L, A, P, S, I: the patient's sides.")


VIEW = View("Cases", _content, _tables, register=_register)
