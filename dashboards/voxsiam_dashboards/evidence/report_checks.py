"""Whether the written report says what its runs say, and whether its links lead somewhere."""

import csv
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from voxsiam.durable_files import sha256_of
from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.names import REPORT_TAG, SOURCE_TAG
from voxsiam.orchestration.tracking.run_store import RunStore
from voxsiam.regular_files import read_regular
from voxsiam.small_files import read_text
from voxsiam_dashboards.evidence.check import Check
from voxsiam_dashboards.evidence.page_content import PageContent, compare_charts, compare_texts
from voxsiam_dashboards.reports.page import PAGE
from voxsiam_dashboards.reports.seal import SEAL, ReportSeal, environment, hash_files, read_seal
from voxsiam_dashboards.reports.study import FILES, SCORES, write_report
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.tables.report_table import ReportTable

TABLE = "table.json"
_MOST_BYTES = 256 * 2**20  # of a page with its charts
_RUN_ADDRESS = re.compile(r"/experiments/([^/?#]+)/runs/([^/?#]+)")
_RUN_ID = re.compile(r"\b[0-9a-f]{32}\b")


def check_report(table: ReportTable, folder: Path, check: Check) -> None:
    """Write the table anew in memory and compare each cell of its files."""
    for name, render in FILES.items():
        path, text = folder / name, render(table)
        expected = _cells(name, text)
        try:
            found = read_text(path, _MOST_BYTES)
            cells = expected if found == text else _cells(name, found)
        except (OSError, ValueError, RecursionError) as error:
            check.unreadable(str(path), f"{error!s:.120}")
            continue
        check.compare(str(path), expected, cells)


def check_page(
    report: ReportTable, folder: Path, store: RunStore, check: Check, placed: Path | None = None
) -> None:
    """Write the report anew and compare all that its page says; where the seal allows, all bytes.

    Args:
        placed: Cache of feature spaces that is believed; nothing is written into it.
    """
    seal = _check_seal(report, folder, store, check)
    with tempfile.TemporaryDirectory() as passing:
        anew, cache = Path(passing) / "report" / folder.name, Path(passing) / "cache"
        if placed is not None and placed.is_dir():
            shutil.copytree(placed, cache)
        write_report(report, anew, cache=cache)
        same = seal is not None and seal.environment == environment()
        if same:
            check.compare(f"{folder}, written anew", hash_files(anew), hash_files(folder))
        else:
            check.skip("pictures, scripts and feature spaces: another environment drew them")
        try:
            expected, found = _read(anew / PAGE), _read(folder / PAGE)
            content = PageContent(expected)
            # A page of a thousand runs takes seconds to be taken apart.
            pages = content, content if found == expected else PageContent(found)
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            check.unreadable(str(folder / PAGE), f"{error!s:.120}")
            return
    where = str(folder / PAGE)
    compare_texts(where, *pages, check)
    compare_charts(where, *pages, check, left_out=() if same else ("features",))


def _check_seal(
    report: ReportTable, folder: Path, store: RunStore, check: Check
) -> ReportSeal | None:
    """Compare the files of a report with their sums, and the sums with what MLflow was told."""
    parent = store.find(report.results.parent_run_id)
    told = parent.tags.get(REPORT_TAG) if parent else None
    try:
        seal, own = read_seal(folder), sha256_of(folder / SEAL)
    except (UserError, OSError) as error:
        check.unreadable(str(folder / SEAL), f"{error!s:.120}".splitlines()[0])
        return None
    check.compare_one(f"{folder / SEAL} (tag {REPORT_TAG})", "SHA-256", told, own)
    check.compare(str(folder), seal.files, hash_files(folder))
    return seal


def check_links(results: StudyResults, store: RunStore, folder: Path, check: Check) -> None:
    """Follow every run and file that the report names, and every link between runs."""
    try:
        for run_id in sorted(set(_RUN_ID.findall(_read(folder / TABLE)))):
            there = store.find(run_id) is not None
            _exists(str(folder / TABLE), f"run {run_id}", check, there=there)
        page = _Page()
        page.feed(_read(folder / PAGE))
    except OSError as error:
        check.unreadable(str(error.filename or folder), f"{error!s:.120}")
        return
    for address in dict.fromkeys(page.addresses):
        _check_address(address, page, store, folder, check)
    for trial in results.trials:
        run = store.find(trial.run_id)
        source = run.tags.get(SOURCE_TAG) if run else None
        if source is not None:
            where = f"run {trial.run_id} ({trial.row}, seed {trial.seed}), tag {SOURCE_TAG}"
            _exists(where, f"run {source}", check, there=store.find(source) is not None)


def _check_address(
    address: str, page: "_Page", store: RunStore, folder: Path, check: Check
) -> None:
    parts, where = urlsplit(address), str(folder / PAGE)
    run = _RUN_ADDRESS.search(parts.fragment)
    if run is not None:
        found = store.find(unquote(run[2]))
        there = found is not None and found.experiment_id == unquote(run[1])
        _exists(where, address, check, there=there)
    elif not parts.scheme and not parts.netloc:
        file = folder / unquote(parts.path) if parts.path else folder / PAGE
        anchored = bool(parts.path) or unquote(parts.fragment) in page.anchors
        _exists(where, address, check, there=file.exists() and anchored)


def _exists(where: str, what: str, check: Check, *, there: bool) -> None:
    check.compare_one(where, what, "there", "there" if there else "missing")


def _cells(name: str, text: str) -> dict[str, object]:
    """Take a file of the table apart into its cells, by their names."""
    if name.endswith(".json"):
        return dict(_json_cells(json.loads(text)))
    lines: list[dict] = [{"line": line} for line in text.splitlines()]
    # Scores line by line: the cells of a thousand runs are millions.
    if name.endswith(".csv") and name != SCORES:
        lines = list(csv.DictReader(io.StringIO(text)))
    return {
        f"{line.get('row', index)}, {column}": value
        for index, line in enumerate(lines, start=1)
        for column, value in line.items()
    }


def _json_cells(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _json_cells(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            label = inner.get("label", index) if isinstance(inner, dict) else index
            yield from _json_cells(inner, f"{path}[{label}]")
    else:
        yield path, value


def _read(path: Path) -> str:
    return read_regular(path, _MOST_BYTES).decode(errors="replace")


class _Page(HTMLParser):
    """Collects where a page leads to, and the places inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.anchors: set[str] = {""}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note addresses and anchors."""
        del tag
        self.addresses += [value for name, value in attrs if name in ("href", "src") and value]
        self.anchors |= {value for name, value in attrs if name == "id" and value}
