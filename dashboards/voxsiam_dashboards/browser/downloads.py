"""What a browser fetches beside the page: its tables as files, and the voxels of a case."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import flask
import numpy as np
from isal import igzip
from jaxtyping import UInt8

from voxsiam.errors import UserError
from voxsiam.types import organ_title
from voxsiam_dashboards.browser.address import Address, read_address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.case_reader import CaseReader, GreyScale
from voxsiam_dashboards.figures.look import ERROR_COLOURS, organ_colours, row_colour
from voxsiam_dashboards.figures.overlays import AXES, LETTERS
from voxsiam_dashboards.tables.text_table import TextTable, csv_text, latex_lines

WINDOWS_HU = {"Abdomen": (-160.0, 240.0), "Liver": (0.0, 180.0)}
"""Presets, lower and upper end: level 40 and width 400, level 90 and width 180."""

_SAMPLE_BYTES = 2**18
_PAYS_BELOW = 0.6
_DEFLATE_LEVEL = 1


def add_downloads(server: flask.Flask, tables: Callable[[Address], Sequence[TextTable]]) -> None:
    """Answer to /download/NUMBER.FORMAT/ADDRESS with the table of that number on that page."""

    @server.route("/download/<int:number>.<kind>/", defaults={"path": ""})
    @server.route("/download/<int:number>.<kind>/<path:path>")
    def download(number: int, kind: str, path: str) -> flask.Response:
        address = _asked(path)
        if kind not in WRITERS:
            flask.abort(404)
        try:
            found = tables(address)
        except UserError as error:
            return _refused(error)
        if number >= len(found):
            flask.abort(404)
        write, mimetype = WRITERS[kind]
        name = f"{'-'.join(found[number].title.lower().split())[:60] or 'table'}.{kind}"
        response = flask.Response(write(found[number]), mimetype=mimetype)
        response.headers.set("Content-Disposition", "attachment", filename=name)
        return response


def to_csv(table: TextTable) -> str:
    """Write a table for spreadsheets: no text becomes a formula."""
    return csv_text([table.header, *table.body])


def to_latex(table: TextTable) -> str:
    """Write a table for LaTeX with booktabs."""
    return "\n".join(["% \\usepackage{booktabs}", *latex_lines(table), ""])


WRITERS: dict[str, tuple[Callable[[TextTable], str], str]] = {
    "csv": (to_csv, "text/csv"),
    "tex": (to_latex, "application/x-tex"),
}


def facts_address(address: Address, case_id: str) -> str:
    """Return where the facts of a case are."""
    return f"/volume/{address.run_id}/facts?{urlencode({'case': case_id})}"


def add_volumes(server: flask.Flask, store: CachedStore) -> None:
    """Answer to /volume/STUDY/facts, /image, /label and /prediction/TRAINING, each with ?case=.

    Facts are JSON, voxels bytes.
    """

    @server.route("/volume/<path:_>")
    def nothing(_: str) -> flask.Response:
        # Dash would answer with its page.
        flask.abort(404)

    def add(what: str, read: Callable[..., flask.Response]) -> None:
        def answer(run_id: str, **named: str) -> flask.Response:
            address = _asked(f"study/{run_id}/cases")
            try:
                reader = CaseReader(store, address.run_id)
                return read(reader, address.chosen.get("case", ""), **named)
            except UserError as error:
                return _refused(error)

        server.add_url_rule(f"/volume/<run_id>/{what}", f"volume {what}", answer)

    add("facts", lambda reader, case: flask.jsonify(_facts(reader, case)))
    add("image", lambda reader, case: _packed(reader.volumes(case).grey()))
    add("label", lambda reader, case: _packed(reader.volumes(case).label()))
    add("prediction/<trial_id>",
        lambda reader, case, trial_id: _packed(reader.prediction(trial_id, case)))  # fmt: skip


def _asked(path: str) -> Address:
    """Read the address that a request names; 404 where it is none of ours."""
    address = read_address(path, flask.request.query_string.decode(errors="replace"))
    if address is None:
        flask.abort(404)
    return address


def _refused(error: UserError) -> flask.Response:
    return flask.Response(f"{error.what}\n", 404, mimetype="text/plain")


def _packed(voxels: UInt8[np.ndarray, "d h w"]) -> flask.Response:
    """Answer with bytes, the last axis first; packed where a part of them shows that it pays."""
    content = voxels.tobytes()
    response = flask.Response(mimetype="application/octet-stream")
    middle = len(content) // 2
    sample = content[middle : middle + _SAMPLE_BYTES]
    pays = len(igzip.compress(sample, _DEFLATE_LEVEL)) < _PAYS_BELOW * len(sample)
    if pays and "gzip" in flask.request.headers.get("Accept-Encoding", ""):
        content = igzip.compress(content, _DEFLATE_LEVEL)
        response.headers["Content-Encoding"] = "gzip"
    response.set_data(content)
    response.headers["Vary"] = "Accept-Encoding"
    # The page keeps what it needs in memory: no patient shall stay in a browser's files.
    response.headers["Cache-Control"] = "no-store"
    return response


def _facts(reader: CaseReader, case_id: str) -> dict[str, Any]:
    volumes = reader.volumes(case_id)
    scored = reader.scored_organs(case_id)
    named = urlencode({"case": case_id, "v": volumes.version})
    base = f"/volume/{reader.run_id}"
    scale = volumes.grey_scale()
    return {
        "case": case_id,
        "cases": list(reader.openable),
        "shape": list(volumes.shape),
        "spacingMm": list(volumes.spacing_mm),
        "grey": vars(scale),
        "windows": _windows(scale),
        "planes": [
            {"name": plane, "axes": list(AXES[plane]), "letters": list(LETTERS[plane])}
            for plane in AXES
        ],
        "organs": [
            {"value": value, "name": organ, "title": organ_title(organ),
             "colour": colour, "scored": organ in scored}
            for value, (organ, colour) in enumerate(organ_colours(reader.organs).items(), start=1)
        ],
        "errors": [{"title": title, "colour": colour} for title, colour in ERROR_COLOURS.items()],
        "image": f"{base}/image?{named}",
        "label": f"{base}/label?{named}",
        "predictions": [
            {"row": trial.row, "seed": trial.seed, "dsc": trial.case_dsc(case_id),
             "colour": row_colour(reader.row_number(trial.row)),
             "address": f"{base}/prediction/{trial.run_id}?{named}"}
            for trial in reader.predicting(case_id)
        ],
    }  # fmt: skip


def _windows(scale: GreyScale) -> list[dict[str, Any]]:
    """List the presets that make sense: all that is there, and those of clinics within it."""
    known = WINDOWS_HU if scale.unit == "HU" else {}
    inside = {n: (a, b) for n, (a, b) in known.items() if a >= scale.low and b <= scale.high}
    whole = {"All": (scale.low, scale.high)}
    return [{"title": n, "low": a, "high": b} for n, (a, b) in (whole | inside).items()]
