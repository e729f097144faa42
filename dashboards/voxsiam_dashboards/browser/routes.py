"""What stands on the page for an address, and whether it is out of date."""

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address, read_address, read_name
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.pages import (
    cases,
    compare,
    data,
    features,
    labels,
    studies,
    study,
    sweep,
)
from voxsiam_dashboards.browser.parts import link, told
from voxsiam_dashboards.browser.view import View

SUBJECTS: Mapping[str, Mapping[str, View]] = {
    "": {"": studies.VIEW},
    "study": {
        "": study.VIEW,
        "compare": compare.OF_ONE_STUDY,
        "labels": labels.VIEW,
        "features": features.VIEW,
        "cases": cases.VIEW,
        "data": data.VIEW,
    },
    "sweep": {"": sweep.VIEW},
    "compare": {"": compare.ACROSS_STUDIES},
}
"""The views of each subject by their part of the address, in the order of their tabs."""

REFUSED = "refused"
"""Mark of a page that could not be drawn: it is tried again."""


def draw_page(
    store: CachedStore, path: str | None, query: str | None
) -> tuple[Any, list[Component], str]:
    """Return content, tabs and mark of the page at an address; a refusal where there is none."""
    try:
        address = address_of(store, path, query)
        # Before the content: what changes while that is read shall be seen afterwards.
        mark = mark_of(store, address)
        return view_of(address).content(store, address), _tabs(store, address), mark
    except Exception as error:  # else the browser shows the page before
        return told(error), [link("Studies", Address())], REFUSED


def draw_live(store: CachedStore, path: str | None, query: str | None) -> Component | None:
    """Return the part of a page that changes by itself."""
    try:
        address = address_of(store, path, query)
        live = view_of(address).live
        return None if live is None else live(store, address)
    except Exception as error:
        return told(error)


def live_state(store: CachedStore, path: str | None, query: str | None) -> str:
    """Name the state of the part that changes by itself; empty where it is always drawn anew."""
    try:
        run_id = address_of(store, path, query).run_id
        if not run_id:
            return ""
        return str(hash((path, store.entry(run_id), tuple(store.progress(run_id)))))
    except UserError:
        return ""


def is_outdated(store: CachedStore, path: str | None, query: str | None, mark: str) -> bool:
    """Tell whether a page of this mark would be another one now; its study is forgotten then."""
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
    if view_of(address).live is None:
        return ""
    ended = sum(trial.state != "running" for trial in store.progress(address.run_id))
    # The winner of a sweep is trained in a study of its own.
    return f"{ended} {len(store.studies()) if address.subject == 'sweep' else ''}"


def address_of(store: CachedStore, path: str | None, query: str | None) -> Address:
    """Read an address; a UserError where it is none of ours, or names no study, or several."""
    address = read_address(plain_path(store, path or "/"), query)
    if address is None:
        raise _unknown(path or "/")
    return address


def plain_path(store: CachedStore, path: str) -> str:
    """Return a path as our pages write it: one that names a study leads to the study's own run.

    A UserError where it names none, or several.
    """
    named = read_name(path)
    if named is None:
        return path
    kind, name, view = named
    return str(Address(kind, store.named(kind, name).run_id, view))


def view_of(address: Address) -> View:
    """Return the view at an address; a UserError where there is none."""
    view = SUBJECTS.get(address.subject, {}).get(address.view)
    if view is None:
        raise _unknown(str(address))
    return view


def _tabs(store: CachedStore, address: Address) -> list[Component]:
    tabs = [
        link("Studies", Address(), chosen=address == Address()),
        link("Across studies", Address("compare"), chosen=address.subject == "compare"),
    ]
    if not address.run_id:
        return tabs
    tabs.append(html.Span(store.entry(address.run_id).study_id, className="subject"))
    for name, view in SUBJECTS[address.subject].items():
        tabs.append(link(view.title, address.at(name), chosen=address.view == name))
    return tabs


def _unknown(path: str) -> UserError:
    return UserError("there is no such page", where=path, fix="start from the list of studies: /")
