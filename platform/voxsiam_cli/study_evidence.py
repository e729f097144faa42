"""voxsiam study verify: whether the numbers of a study hold."""

from typing import TYPE_CHECKING, Annotated

import typer

from voxsiam_cli.console import print_json, say
from voxsiam_cli.options import DEFAULT_WORKSPACE, AsJson, Workspace

if TYPE_CHECKING:
    from dashboards.evidence.study import Evidence

Name = Annotated[str, typer.Argument(help="For example table3; see: voxsiam study list.")]
StudyId = Annotated[str | None, typer.Option(help="Which one; that of the report by default.")]


def verify(
    name: Name,
    study_id: StudyId = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Compute a table again from the scores of single cases; exit 1 where anything differs.

    Metrics, report, checksums, fingerprints, links and the pictured case are compared.

    Example: voxsiam study verify table3
    """
    from dashboards.evidence.study import reported_study, verify_study
    from voxsiam.orchestration.workspace import Workspace as Folder
    from voxsiam_cli.study import find_table

    table, folder = find_table(name), Folder(workspace)
    report = folder.report(table.name)
    chosen = study_id or reported_study(report)
    evidence = verify_study(table, folder.tracking_uri, chosen, report, folder.run)
    if as_json:
        print_json(_plain(evidence))
    else:
        _show(evidence, name)
    if not evidence.holds:
        raise typer.Exit(1)


def _show(evidence: "Evidence", name: str) -> None:
    say(f"{evidence.study_id}: {evidence.runs} finished runs")
    for check in evidence.checks:
        bad = len(check.mismatches)
        say(
            f"{'FAIL' if bad else 'ok  '} {check.name}: {check.count} {check.things}"
            + (f", {bad} differ" if bad else ""),
            "red" if bad else None,
        )
    for check in evidence.checks:
        for mismatch in check.mismatches:
            say(f"{check.name}: {mismatch.text}")
    if not evidence.holds:
        say(f"if runs have ended since the report was written: voxsiam study report {name}")


def _plain(evidence: "Evidence") -> dict:
    return {
        "study_id": evidence.study_id,
        "finished_runs": evidence.runs,
        "holds": evidence.holds,
        "checks": [
            {
                "name": check.name,
                "what": check.things,
                "count": check.count,
                "mismatches": [mismatch.__dict__ for mismatch in check.mismatches],
            }
            for check in evidence.checks
        ],
    }
