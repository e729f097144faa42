"""The tables of a page as files."""

import csv
import io
from collections.abc import Callable, Sequence

import flask

from voxsiam.errors import UserError
from voxsiam_dashboards.browser.address import Address, read_address
from voxsiam_dashboards.tables.markup import latex_lines
from voxsiam_dashboards.tables.spreadsheet import defused
from voxsiam_dashboards.tables.text_table import TextTable


def add_downloads(server: flask.Flask, tables: Callable[[Address], Sequence[TextTable]]) -> None:
    """Answer to /download/NUMBER.FORMAT/ADDRESS with the table of that number on that page."""

    @server.route("/download/<int:number>.<kind>/", defaults={"path": ""})
    @server.route("/download/<int:number>.<kind>/<path:path>")
    def download(number: int, kind: str, path: str) -> flask.Response:
        address = read_address(path, flask.request.query_string.decode(errors="replace"))
        if address is None or kind not in WRITERS:
            flask.abort(404)
        try:
            found = tables(address)
        except UserError as error:
            return flask.Response(f"{error.what}\n", 404, mimetype="text/plain")
        if number >= len(found):
            flask.abort(404)
        write, mimetype = WRITERS[kind]
        name = f"{'-'.join(found[number].title.lower().split())[:60] or 'table'}.{kind}"
        response = flask.Response(write(found[number]), mimetype=mimetype)
        response.headers.set("Content-Disposition", "attachment", filename=name)
        return response


def to_csv(table: TextTable) -> str:
    """Write a table for spreadsheets: no text becomes a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(defused, table.header))
    writer.writerows(map(defused, line) for line in table.body)
    return out.getvalue()


def to_latex(table: TextTable) -> str:
    """Write a table for LaTeX with booktabs."""
    return "\n".join(["% \\usepackage{booktabs}", *latex_lines(table), ""])


WRITERS: dict[str, tuple[Callable[[TextTable], str], str]] = {
    "csv": (to_csv, "text/csv"),
    "tex": (to_latex, "application/x-tex"),
}
