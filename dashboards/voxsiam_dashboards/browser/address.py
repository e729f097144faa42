"""The address of a view: everything that it shows follows from it, so that it can be sent on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode

from voxsiam_dashboards.store.study_list import Kind

_RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Address:
    """Where a reader is.

    Attributes:
        subject: Empty, study, sweep or compare.
        run_id: MLflow's name of the study's or sweep's own run.
        chosen: On the page, by name.
    """

    subject: str = ""
    run_id: str = ""
    view: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        path = "/".join(
            quote(part, safe="") for part in (self.subject, self.run_id, self.view) if part
        )
        query = urlencode({name: value for name, value in self.chosen.items() if value})
        return f"/{path}?{query}" if query else f"/{path}"

    def at(self, view: str = "", **chosen: str) -> "Address":
        """Return the address of another view of the same study."""
        return Address(self.subject, self.run_id, view, chosen)


def read_address(path: str | None, query: str | None = "") -> Address | None:
    """Read an address; None where it is none of ours: nothing is looked up for it.

    Args:
        query: What follows the path, with or without the question mark.
    """
    parts = [unquote(part) for part in (path or "").strip("/").split("/")]
    chosen = dict(parse_qsl((query or "").removeprefix("?")))
    subject, run_id, view, *more = *parts, "", "", ""
    if any(more) or subject not in ("", "study", "sweep", "compare"):
        return None
    if subject in ("study", "sweep") and not _RUN_ID.fullmatch(run_id):
        return None
    if subject in ("", "compare") and run_id:
        return None
    return Address(subject, run_id, view, chosen)


def read_name(path: str) -> tuple[Kind, str, str] | None:
    """Read an address that people write, as /study/table3/cases: kind, id or name, page.

    None where it names no study, or MLflow's run.
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    subject, name, view, *more = *parts, "", "", ""
    if any(more) or not name or _RUN_ID.fullmatch(name):
        return None
    return (subject, name, view) if subject == "study" or subject == "sweep" else None
