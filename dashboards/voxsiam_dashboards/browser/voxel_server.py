"""What the viewer asks for: the facts of a case as JSON, and its voxels as bytes."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import flask
import numpy as np
from isal import igzip
from jaxtyping import UInt8

from voxsiam.errors import UserError
from voxsiam.types import ORGANS, organ_title
from voxsiam_dashboards.browser.address import Address, read_address
from voxsiam_dashboards.browser.cached_store import CachedStore
from voxsiam_dashboards.browser.case_reader import CaseReader, case_dsc, scored_organs
from voxsiam_dashboards.figures.overlays import AXES, LETTERS
from voxsiam_dashboards.figures.palette import ERROR_COLOURS, ORGAN_COLOURS, row_colour
from voxsiam_dashboards.store.case_volumes import GreyScale

WINDOWS_HU = {"Abdomen": (-160.0, 240.0), "Liver": (0.0, 180.0)}
"""Presets, lower and upper end: level 40 and width 400, level 90 and width 180."""

_SAMPLE_BYTES = 2**18
_PAYS_BELOW = 0.6
_DEFLATE_LEVEL = 1


def add_volumes(server: flask.Flask, store: CachedStore) -> None:
    """Answer to /volume/STUDY/facts, /image, /label and /prediction/TRAINING, each with ?case=."""

    @server.route("/volume/<path:_>")
    def nothing(_: str) -> flask.Response:
        # Dash would answer with its page.
        flask.abort(404)

    @server.route("/volume/<run_id>/facts")
    def facts(run_id: str) -> flask.Response:
        return _found(lambda: flask.jsonify(_facts(*_opened(store, run_id))))

    @server.route("/volume/<run_id>/image")
    def image(run_id: str) -> flask.Response:
        return _voxels(run_id, lambda reader, case: reader.volumes(case).grey())

    @server.route("/volume/<run_id>/label")
    def label(run_id: str) -> flask.Response:
        return _voxels(run_id, lambda reader, case: reader.volumes(case).label())

    @server.route("/volume/<run_id>/prediction/<trial_id>")
    def prediction(run_id: str, trial_id: str) -> flask.Response:
        return _voxels(run_id, lambda reader, case: reader.prediction(trial_id, case))

    def _voxels(run_id: str, read: Callable[[CaseReader, str], np.ndarray]) -> flask.Response:
        def answer() -> flask.Response:
            reader, address = _opened(store, run_id)
            return _packed(read(reader, address.chosen.get("case", "")))

        return _found(answer)


def facts_address(address: Address, case_id: str) -> str:
    """Return where the facts of a case are."""
    return f"/volume/{address.run_id}/facts?{urlencode({'case': case_id})}"


def _opened(store: CachedStore, run_id: str) -> tuple[CaseReader, Address]:
    query = flask.request.query_string.decode(errors="replace")
    address = read_address(f"study/{run_id}/cases", query)
    if address is None:
        flask.abort(404)
    return CaseReader(store, address.run_id), address


def _found(answer: Callable[[], flask.Response]) -> flask.Response:
    try:
        return answer()
    except UserError as error:
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


def _facts(reader: CaseReader, address: Address) -> dict[str, Any]:
    case_id = address.chosen.get("case", "")
    volumes = reader.volumes(case_id)
    trials = reader.predicting(case_id)
    scored = scored_organs(reader.trials, case_id)
    named = urlencode({"case": case_id, "v": volumes.version})
    base = f"/volume/{address.run_id}"
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
             "colour": ORGAN_COLOURS[organ], "scored": value in scored}
            for value, organ in enumerate(ORGANS, start=1)
        ],
        "errors": [{"title": title, "colour": colour} for title, colour in ERROR_COLOURS.items()],
        "image": f"{base}/image?{named}",
        "label": f"{base}/label?{named}",
        "predictions": [
            {"row": trial.row, "seed": trial.seed, "dsc": case_dsc(trial, case_id),
             "colour": row_colour(reader.row_number(trial.row)),
             "address": f"{base}/prediction/{trial.run_id}?{named}"}
            for trial in trials
        ],
    }  # fmt: skip


def _windows(scale: GreyScale) -> list[dict[str, Any]]:
    """List the presets that make sense: all that is there, and those of clinics within it."""
    known = WINDOWS_HU if scale.unit == "HU" else {}
    inside = {n: (a, b) for n, (a, b) in known.items() if a >= scale.low and b <= scale.high}
    whole = {"All": (scale.low, scale.high)}
    return [{"title": n, "low": a, "high": b} for n, (a, b) in (whole | inside).items()]
