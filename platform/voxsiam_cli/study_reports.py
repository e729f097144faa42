"""voxsiam study report --all: every study of a workspace, and one page over them."""

from voxsiam.orchestration.studies.ledger import find_ledgers
from voxsiam.orchestration.workspace import Workspace
from voxsiam_cli.console import say
from voxsiam_cli.study.session import write_kept_report
from voxsiam_dashboards.reports.index import IndexEntry, write_index
from voxsiam_dashboards.store.results import find_study, load_study
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_experiments.studies import STUDIES


def report_all(workspace: Workspace) -> None:
    """Write every study's report and the page that lists them.

    The newest study of a name has its report under that name, older ones under their ids.
    """
    entries: list[IndexEntry] = []
    for plan in (ledger.plan for ledger in find_ledgers(workspace)):
        if plan.study not in STUDIES:
            continue
        taken = plan.study in {entry.folder for entry in entries}
        folder = workspace.report(plan.study_id if taken else plan.study)
        uri = workspace.tracking_uri
        results = load_study(uri, find_study(uri, plan.study_id))
        report = build_table(STUDIES[plan.study], results)
        say(f"report:  {write_kept_report(report, folder, workspace)}")
        entries.append(IndexEntry(report, folder.name))
    say(f"all:     {write_index(entries, workspace.report('.'))}")
