"""What stands on the page for an address, and whether it is out of date."""

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address, read_address, read_name
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.pages import (
    across_studies,
    cases,
    data,
    features,
    labels,
    studies,
    study,
    sweep,
    two_rows,
)
from voxsiam_dashboards.browser.parts import link, told
from voxsiam_dashboards.browser.view import View, nothing

SUBJECTS: Mapping[str, tuple[View, ...]] = {
    "": (studies.VIEW,),
    "study": (
        study.VIEW,
        two_rows.VIEW,
        labels.VIEW,
        features.VIEW,
        cases.VIEW,
        data.VIEW,
    ),
    "sweep": (sweep.VIEW,),
    "compare": (across_studies.VIEW,),
}
"""The views of each subject, in the order of their tabs; the first one has no name of its own."""

REFUSED = "refused"
"""Mark of a page that could not be drawn: it is tried again."""


def draw_page(store: CachedStore, path: str, query: str) -> tuple[Any, list[Component], str]:
    """Return content, tabs and mark of the page at an address; a refusal where there is none."""
    try:
        address = address_of(store, path, query)
        # Before the content: what changes while that is read shall be seen afterwards.
        mark = mark_of(store, address)
        return view_of(address).content(store, address), _tabs(store, address), mark
    except Exception as error:  # else the browser shows the page before
        return told(error), [link("Studies", Address())], REFUSED


def draw_live(store: CachedStore, path: str, query: str) -> Any:  # noqa: ANN401
    """Return the part of a page that changes by itself."""
    try:
        address = address_of(store, path, query)
        return view_of(address).live(store, address)
    except Exception as error:
        return told(error)


def live_state(store: CachedStore, path: str, query: str) -> str:
    """Name the state of the part that changes by itself; empty where it is always drawn anew."""
    try:
        run_id = address_of(store, path, query).run_id
        if not run_id:
            return ""
        return str(hash((path, store.entry(run_id), tuple(store.progress(run_id)))))
    except UserError:
        return ""


def is_outdated(store: CachedStore, path: str, query: str, mark: str) -> bool:
    """Tell whether a page would be drawn otherwise now; what it was drawn from is forgotten then.

    Args:
        query: What follows the path.
        mark: Of the page as it was drawn.
    """
    try:
        address = address_of(store, path, query)
        if mark != REFUSED and mark_of(store, address) == mark:
            return False
    except UserError:
        return False
    store.forget(address.run_id)
    return True


def mark_of(store: CachedStore, address: Address) -> str:
    """Name the state of what a page shows: another state, another page."""
    if not address.subject:
        return "some" if store.studies() else "none"
    if view_of(address).live is nothing:
        return ""
    ended = sum(trial.state != "running" for trial in store.progress(address.run_id))
    # The winner of a sweep is trained in a study of its own.
    return f"{ended} {len(store.studies()) if address.subject == 'sweep' else ''}"


def address_of(store: CachedStore, path: str, query: str) -> Address:
    """Read an address.

    Raises:
        UserError: It is none of ours, or names no study, or several.
    """
    address = read_address(plain_path(store, path), query)
    if address is None:
        raise _unknown(path)
    return address


def plain_path(store: CachedStore, path: str) -> str:
    """Return a path as our pages write it: one that names a study leads to the study's own run.

    Raises:
        UserError: It names none, or several.
    """
    named = read_name(path)
    if named is None:
        return path
    kind, name, view = named
    return str(Address(kind, store.named(kind, name).run_id, view))


def view_of(address: Address) -> View:
    """Return the view at an address.

    Raises:
        UserError: There is none.
    """
    for number, view in enumerate(SUBJECTS.get(address.subject, ())):
        if address.view == ("" if number == 0 else view.name):
            return view
    raise _unknown(str(address))


def _tabs(store: CachedStore, address: Address) -> list[Component]:
    tabs = [
        link("Studies", Address(), chosen=address == Address()),
        link("Across studies", Address("compare"), chosen=address.subject == "compare"),
    ]
    if not address.run_id:
        return tabs
    tabs.append(html.Span(store.entry(address.run_id).study_id, className="subject"))
    for number, view in enumerate(SUBJECTS[address.subject]):
        there = address.at("" if number == 0 else view.name)
        tabs.append(link(view.title, there, chosen=address.view == there.view))
    return tabs


def _unknown(path: str) -> UserError:
    return UserError("there is no such page", where=path, fix="start from the list of studies: /")
