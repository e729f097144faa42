"""The cases behind a study: who saw which, what was checked, and how they look."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from dash import html
from dash.development.base_component import Component
from jaxtyping import Float, UInt8

from voxsiam.errors import UserError
from voxsiam.types import Spacing, organ_title
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.case_reader import CaseReader
from voxsiam_dashboards.browser.choices import choice, choices
from voxsiam_dashboards.browser.parts import facts, notice, text_table
from voxsiam_dashboards.browser.view import View, place_for
from voxsiam_dashboards.figures.look import organ_colours
from voxsiam_dashboards.figures.overlays import busiest_slice, slice_address
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.store.run_splits import RunSplit, StudySplits
from voxsiam_dashboards.tables.footnotes import data_kind
from voxsiam_dashboards.tables.report_table import MANY_ORGANS
from voxsiam_dashboards.tables.split_tables import (
    SIDES,
    case_table,
    check_table,
    row_table,
    run_table,
)
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_data.prepared.prepared_set import PreparedSet, read_arrays

CHECKS, MONTAGE = "data-checks", "montage"
MOST_TILES = 24
WIDTH = 196  # of a tile, in pixels on the screen: six side by side on a laptop


def _content(store: CachedStore, address: Address) -> list[Component]:
    table, splits = store.table(address.run_id), store.splits(address.run_id)
    prepared = store.prepared_set(address.run_id)
    parts = [html.H1("The cases of this study"), facts(_facts(table.results, splits, prepared))]
    if prepared is None:
        parts.append(_elsewhere(table.results))
    if not splits.runs:
        missing = notice(
            "No run of this study says which cases it saw.",
            *splits.notes[:1],
            f"Runs write it when they start: voxsiam study resume {table.table.name}",
        )
        return [*parts, missing, *_montage(splits, address)]
    if splits.notes:
        parts.append(notice("What follows is said of the runs that could be read.", *splits.notes))
    runs = {run.run_id: f"{run.row}, seed {run.seed}" for run in splits.runs}
    openable = CaseReader(store, address.run_id).openable
    viewers = {case_id: address.at("cases", case=case_id) for case_id in openable}
    tables = _fixed_tables(store, address)
    return [
        *parts,
        text_table(tables[0], address, 0),
        html.H2("Which cases a run saw"),
        choices(choice("run", "Run", runs, _run(splits, address).run_id)),
        text_table(tables[1], address, 1),
        place_for(CHECKS, address),
        *_montage(splits, address),
        html.H2("Case by case"),
        text_table(tables[2], address, 2, viewers),
    ]


def _facts(
    results: StudyResults, splits: StudySplits, prepared: PreparedSet | None
) -> dict[str, str]:
    prints = results.fingerprints
    config = prepared.config.model_dump(mode="json") if prepared else splits.preparation
    found = dict.fromkeys(t.fingerprints.get("split", "") for t in results.trials)
    return {
        "Data": f"{prints.get('data_name', '')} ({data_kind(results)})",
        "Fingerprint": prints.get("data", ""),
        "Splits": ", ".join(filter(None, found)),
        "Preparation": ", ".join(f"{name} {_value(value)}" for name, value in config.items()
                                 if value is not None),
        "Folder": str(prepared.root) if prepared else "",
    }  # fmt: skip


def _value(value: Any) -> str:  # noqa: ANN401
    return "/".join(f"{each:g}" for each in value) if isinstance(value, list) else str(value)


def _elsewhere(results: StudyResults) -> Component:
    name = results.fingerprints.get("data_name") or "PREPARED"
    return notice(
        "The prepared set of this study is not visible from here, so its images and annotations "
        "are not shown.",
        f"Where it lies, look at it with: voxsiam data describe {name}",
        "and at its source with: voxsiam data check SOURCE -o FOLDER",
    )


def _run(splits: StudySplits, address: Address) -> RunSplit:
    """Return the run that is chosen, else the first; a UserError where the study has none such."""
    asked = address.chosen.get("run") or splits.runs[0].run_id
    for run in splits.runs:
        if run.run_id == asked:
            return run
    raise UserError("there is no such run", where=asked, fix="choose one of the list")


def _fixed_tables(store: CachedStore, address: Address) -> tuple[TextTable, ...]:
    table, splits = store.table(address.run_id), store.splits(address.run_id)
    cases = case_table(table, splits, store.prepared_set(address.run_id))
    return row_table(table, splits), run_table(_run(splits, address)), cases


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    splits = store.splits(address.run_id)
    if not splits.runs:
        return ()
    checks = check_table(splits, store.prepared_set(address.run_id))
    return (*_fixed_tables(store, address), checks)


def _checks(store: CachedStore, address: Address) -> Component:
    checks = check_table(store.splits(address.run_id), store.prepared_set(address.run_id))
    return text_table(checks, address, 3)


def _montage(splits: StudySplits, address: Address) -> list[Component]:
    parts: list[Component] = [html.H2("How they look")]
    if splits.widest is not None:
        counts = {side: len(ids) for side, ids in splits.widest}
        options = {side: f"{name} ({counts[side]})" for side, name in SIDES.items()}
        parts.append(choices(choice("side", "Cases", options, _side(address))))
    return [*parts, place_for(MONTAGE, address)]


def _side(address: Address) -> str:
    side = address.chosen.get("side")
    return side if side in SIDES else "test"


def _pictures(store: CachedStore, address: Address) -> list[Component]:
    widest, side = store.splits(address.run_id).widest, _side(address)
    prepared = store.prepared_set(address.run_id)
    if prepared is not None and widest is not None:
        ids = getattr(widest, side)
        tiles = tiles_of_set(prepared, ids[:MOST_TILES])
        left = f"{len(ids) - len(tiles)} more are not drawn. " if len(ids) > len(tiles) else ""
    else:
        tiles = tiles_of_runs(store.study(address.run_id)) if side == "test" else []
        left = "Only the test cases that runs have kept are visible from here. "
    if not tiles:
        return [notice(f"There is no {SIDES[side]} case to show. {left}")]
    told = (
        f"{left}The axial slice through the most organs of each case, with the ground truth; the "
        "patient's right is on the left, anterior on top."
    )
    key = _key(store.study(address.run_id).organs)
    return [html.Div(tiles, className="montage"), key, html.P(told, className="soft")]


def tiles_of_set(prepared: PreparedSet, case_ids: Iterable[str]) -> list[Component]:
    """Draw cases of a prepared set; of the image a single slice is read."""
    tiles = []
    for case_id in case_ids:
        case = prepared.case(case_id)
        image, label = read_arrays(prepared.folder(case), case)
        tiles.append(draw_tile(case_id, image, np.array(label), case.spacing_mm, prepared.organs))
    return tiles


def tiles_of_runs(results: StudyResults) -> list[Component]:
    """Draw the test cases whose volumes the runs have kept."""
    kept = {t.overlay.case_id: t.overlay for t in results.trials if t.overlay is not None}
    return [
        draw_tile(name, one.image, one.label, one.spacing_mm, results.organs)
        for name, one in sorted(kept.items())
    ]


def draw_tile(
    case_id: str,
    image: Float[np.ndarray, "d h w"],
    label: UInt8[np.ndarray, "d h w"],
    spacing_mm: Spacing,
    organs: Sequence[str],
) -> Component:
    """Draw the axial slice of a case through the most organs, with the ground truth."""
    index = busiest_slice(label, "axial")
    grey = _grey(np.array(image[index], dtype=np.float32))
    address, height = slice_address(
        grey, label[index], spacing_mm[1:], organs, WIDTH, least_height=40
    )
    text = f"{case_id}, slice {index}"
    picture = html.Img(src=address, alt=text, width=WIDTH, height=height)
    return html.Figure([picture, html.Figcaption(text)])


def _grey(cut: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Bring a slice to 0..1: intensities may have been brought to mean 0 and variance 1."""
    low, high = float(cut.min()), float(cut.max())
    if low >= 0 and high <= 1:
        return cut
    return (cut - low) / max(high - low, np.finfo(np.float32).tiny)


def _key(organs: Sequence[str]) -> Component:
    entries = [
        html.Li([html.Span(style={"background": colour}), organ_title(organ)])
        for organ, colour in organ_colours(organs).items()
    ]
    key = html.Ul(entries, className="key")
    many = len(organs) > MANY_ORGANS
    return html.Details([html.Summary(f"Colours of {len(organs)} organs"), key]) if many else key


VIEW = View("Data", _content, _tables, later={CHECKS: _checks, MONTAGE: _pictures})
