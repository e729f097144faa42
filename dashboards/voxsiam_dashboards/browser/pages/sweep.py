"""One sweep: how the search went, what it cost, which settings matter, and who won."""

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.parts import chart, facts, link, notice, refusal, text_table
from voxsiam_dashboards.browser.trainings import live_trainings
from voxsiam_dashboards.browser.view import View, place_for
from voxsiam_dashboards.figures.captions import CAPTIONS
from voxsiam_dashboards.figures.sweep_charts import (
    history,
    importance_bars,
    importances,
    parallel,
    pareto,
    slices,
)
from voxsiam_dashboards.reports.sweep import (
    PURPOSE,
    sweep_facts,
    too_few_text,
    trial_table,
    winner_text,
)
from voxsiam_dashboards.store.study_list import StudyEntry
from voxsiam_dashboards.store.sweep_results import SweepResults
from voxsiam_dashboards.tables.study_tables import main_table, patient_table
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_experiments.sweep_plan import final_id

PART = "importance"


def _content(store: CachedStore, address: Address) -> list[Component]:
    title = html.H1(f"Sweep: {store.entry(address.run_id).study_id}")
    try:
        results = store.sweep(address.run_id)
    except UserError as error:
        # The trainings above it tell how far the first trial is.
        return [title, refusal(error)]
    tables = _tables(store, address)
    score = chart("history", history(results))
    cost = chart("pareto", pareto(results), f"Score against cost. {CAPTIONS['pareto']}")
    return [
        title,
        html.P(PURPOSE, className="soft"),
        facts(sweep_facts(results)),
        notice(winner_text(results)),
        html.H2("The winner on test cases"),
        *_final(store, results, address, tables),
        html.H2("How the search went"),
        html.Div(
            [html.Div(part, style={"flex": 1}) for part in (score, cost)], className="columns"
        ),
        chart("slices", slices(results)),
        html.H2("Which settings matter"),
        place_for(PART, address),
        chart("parallel", parallel(results)),
        text_table(tables[0], address),
        *_notes(results),
    ]


def _final(
    store: CachedStore, results: SweepResults, address: Address, tables: Sequence[TextTable]
) -> list[Component]:
    """Show the winner beside the printed settings, once both have been tested."""
    entry = _final_entry(store, results)
    if entry is None:
        return [
            notice(
                "Not trained and tested yet.",
                "The search ends with it; go on where it was stopped: voxsiam sweep resume "
                f"{results.plan.get('sweep', 'NAME')}",
            )
        ]
    whole = link("Its study, with curves and cases", Address("study", entry.run_id))
    return [*(text_table(t, address, n) for n, t in enumerate(tables) if n), html.P(whole)]


def _final_entry(store: CachedStore, results: SweepResults) -> StudyEntry | None:
    """Find the study in which the winner was trained on all training cases."""
    if results.best is None:
        return None
    study_id = final_id(results.sweep_id, results.best)
    return next((entry for entry in store.studies() if entry.study_id == study_id), None)


def _importance(store: CachedStore, address: Address) -> Component:
    results = store.sweep(address.run_id)
    figure = importance_bars(importances(results))
    return notice(too_few_text(results)) if figure is None else chart("importance", figure)


def _notes(results: SweepResults) -> list[Component]:
    notes = results.plan.get("notes")
    if not isinstance(notes, list) or not notes:
        return []
    return [html.H2("Notes"), html.Ol([html.Li(str(note)) for note in notes], className="notes")]


def _tables(store: CachedStore, address: Address) -> Sequence[TextTable]:
    """List the trials, then what the last step has found."""
    results = store.sweep(address.run_id)
    entry = _final_entry(store, results)
    if entry is None:
        return (trial_table(results),)
    final = store.table(entry.run_id)
    return trial_table(results), main_table(final), patient_table(final)


def _live(store: CachedStore, address: Address) -> Component | None:
    """Show the trainings while the search runs, or where it broke off."""
    finished = store.entry(address.run_id).state == "finished"
    return None if finished else live_trainings(store, address)


VIEW = View("Sweep", _content, _tables, live=_live, later={PART: _importance})
