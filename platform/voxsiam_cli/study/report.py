"""The report of a study, written from MLflow: what `voxsiam study report` does, and every run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import Ledger, find_ledgers
from voxsiam.orchestration.tracking.reader import RunReader
from voxsiam.orchestration.tracking.run_store import keep_report
from voxsiam.orchestration.tracking.store import StoreAwayError, asking
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.console import MOST_LISTED, console, say
from voxsiam_dashboards.reports.index import IndexEntry, write_index
from voxsiam_dashboards.reports.newest import lead_to
from voxsiam_dashboards.reports.seal import SEAL
from voxsiam_dashboards.reports.study import write_report
from voxsiam_dashboards.store.results import StudyResults
from voxsiam_dashboards.store.study_list import list_studies
from voxsiam_dashboards.store.study_reading import find_study, load_study
from voxsiam_dashboards.tables.files import side_by_side
from voxsiam_dashboards.tables.report_table import ReportTable, build_table
from voxsiam_experiments.studies import FINAL, table_of


def report_study(ledger: Ledger, workspace: Workspace, into: Path | None = None) -> None:
    """Write the report from MLflow alone and print the table beside the paper's.

    Args:
        into: Folder to write; else the study's own in the workspace, which is kept in MLflow too.
    """
    plan, uri = ledger.plan, workspace.tracking_uri
    if plan.study.startswith(FINAL):
        raise UserError(
            f"{plan.study_id} is the last step of a sweep",
            where="voxsiam study report",
            fix="the winner of a sweep stands in the sweep's report: voxsiam sweep report",
        )
    with reporting(workspace, f"voxsiam study report {plan.study_id}"):
        report = _read(ledger, uri)
    page = _write(report, ledger, workspace, into)
    console.print(side_by_side(report))
    say(f"report:  {page}")
    say(f"MLflow:  {uri}")
    say(f"look:    voxsiam ui --workspace {workspace.quoted}")


def report_all(workspace: Workspace, into: Path | None = None) -> None:
    """Write every study's report and the page that lists them.

    One that cannot be read whole is named, and keeps the report that it has; the page is left then.
    """
    entries: list[IndexEntry] = []
    refused = False
    for ledger in find_ledgers(workspace):
        if ledger.plan.study.startswith(FINAL):
            continue  # the winner of a sweep: it stands in the sweep's report
        study_id = ledger.plan.study_id
        try:
            report = _read(ledger, workspace.tracking_uri)
        except typer.Exit:
            refused = True
            continue
        page = _write(report, ledger, workspace, into / study_id if into else None)
        say(f"report:  {page}")
        entries.append(IndexEntry(report, study_id))
    if refused:
        raise typer.Exit(1)
    say(f"all:     {write_index(entries, into or workspace.reports)}")


@contextmanager
def reporting(workspace: Workspace, report: str) -> Iterator[None]:
    """Read what a report needs; where the server is away, say what writes it later."""
    try:
        with asking(workspace.tracking_uri):
            yield
    except StoreAwayError as error:
        say(f"no report: {error.what} ({error.where})", "red")
        say("the trainings are kept. When the server answers again:")
        say(f"  voxsiam tracking replay --workspace {workspace.quoted}")
        say(f"  {report} --workspace {workspace.quoted}")
        raise typer.Exit(1) from None


def name_newest(workspace: Workspace, name: str, link: str) -> None:
    """Let a link among the reports lead to the newest finished one of a table or a sweep."""
    studies = list_studies(RunReader(workspace.tracking_uri))
    finished = [one.study_id for one in studies if one.name == name and one.state == "finished"]
    newest = next((own_id for own_id in finished if workspace.report(own_id).is_dir()), None)
    if newest is not None and not lead_to(workspace.reports, link, newest):
        say(f"{workspace.reports / link} is a folder of its own and was left as it is", "yellow")


def refuse_unread(unread: Sequence[str]) -> None:
    """End with 1 where something that must be there could not be read; nothing else was done."""
    for line in unread[:MOST_LISTED]:
        say(f"cannot be read: {line}", "red")
    if len(unread) > MOST_LISTED:
        say(f"and {len(unread) - MOST_LISTED} more", "red")
    if unread:
        raise typer.Exit(1)


def _read(ledger: Ledger, uri: str) -> ReportTable:
    """Read a study; whatever of it cannot be read is said, and never taken for unfinished."""
    results = load_study(uri, find_study(uri, ledger.plan.study_id), files="report")
    refuse_unread([*results.unread, *_untold(ledger, results)])
    return build_table(table_of(ledger.plan), results)


def _untold(ledger: Ledger, results: StudyResults) -> list[str]:
    """Name the trials that have finished on disk and of which MLflow holds no finished run."""
    told = {(trial.row, trial.seed) for trial in results.trials if trial.status == "FINISHED"}
    return [
        f"the run of '{trial.name}' in MLflow, which has finished in {trial.run.directory} "
        "(voxsiam tracking replay, or study resume, tells MLflow of it)"
        for trial in ledger.finished()
        if (trial.row, trial.run.seed) not in told
    ]


def _write(report: ReportTable, ledger: Ledger, workspace: Workspace, into: Path | None) -> Path:
    if into is not None:
        return write_report(report, into)
    plan = ledger.plan
    folder = workspace.report(plan.study_id)
    page = write_report(report, folder, cache=workspace.cache / "figures")
    keep_report(workspace.tracking_uri, report.results.parent_run_id, folder, folder / SEAL)
    name_newest(workspace, plan.study, plan.study)
    return page
