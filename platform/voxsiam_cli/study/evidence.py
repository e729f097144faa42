"""voxsiam study verify and rerun: whether the numbers of a study hold."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voxsiam.errors import UserError
from voxsiam.orchestration.studies.ledger import choose_ledger
from voxsiam_cli.console import Steps, print_json, say
from voxsiam_cli.options import DEFAULT_WORKSPACE, AsJson, Patience, Study, Workspace
from voxsiam_cli.workspace import open_workspace

if TYPE_CHECKING:
    from voxsiam.orchestration.runs.manifest import Repetition
    from voxsiam_dashboards.evidence.study import Evidence


def verify(
    study: Study,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Check seals, manifests, sums of files, settings, figures against cases.csv, and "
            "the report; leave out scores from label maps, curves before the last epoch, and "
            "feature spaces that are cached.",
        ),
    ] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
) -> None:
    """Compute a table again, down to the voxels of every test case; exit 1 where anything differs.

    The sealed plan, every run's settings, files, curves and scores, and the report with its page
    are compared. What cannot be computed again is named.

    Examples:
    voxsiam study verify table3

    voxsiam study verify table3-mini-0a1b2c3d --quick
    """
    from voxsiam_dashboards.evidence.study import verify_study
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_experiments.studies import table_of

    folder = open_workspace(workspace, "look", as_json=as_json)
    ledger = choose_ledger(folder, study)
    plan = ledger.plan
    report = folder.report(plan.study_id)
    if not report.is_dir():
        raise UserError(
            "there is no report to check",
            where=str(report),
            fix=f"write it first: voxsiam study report {plan.study_id}",
        )
    prepared = open_prepared(plan.prepared) if plan.prepared.exists() else None
    with Steps("score again", quiet=as_json or quick) as steps:
        evidence = verify_study(
            table_of(plan), ledger, folder.tracking_uri, report, folder.run, prepared,
            folder.cache / "figures", quick=quick, progress=steps,
        )  # fmt: skip
    if as_json:
        print_json(_plain(evidence))
    else:
        _show(evidence)
    if not evidence.holds:
        raise typer.Exit(1)


def rerun(
    manifest: Annotated[
        str,
        typer.Argument(
            help="A manifest.json, a run's folder, an MLflow run id, or a row: table3/ROW/SEED."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="PREPARED", help="The prepared set; that of its study by default."),
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    as_json: AsJson = False,
    _patience: Patience = None,
) -> None:
    """Train a row again from nothing and say: same, within tolerance, or different (exit 1).

    The first training is left as it is. After Ctrl-C the same command goes on.

    Example: voxsiam study rerun "table3/feature (3)/0"
    """
    from voxsiam.orchestration.runs.manifest import TOLERANCE
    from voxsiam_cli.study.rerun import find_manifest, rerun_row

    found = find_manifest(manifest, workspace)
    folder = open_workspace(workspace, "train", as_json=as_json)
    run, repetition = rerun_row(found, data, folder)
    failure = None if repetition else (run.failure() or "its process died")
    if as_json:
        plain = {"folder": str(run.directory), "failure": failure, "bound": TOLERANCE}
        print_json(plain | (_plain_repetition(repetition) if repetition else {"verdict": "failed"}))
    elif repetition:
        _show_repetition(repetition, TOLERANCE)
    else:
        say(f"failed: {failure}", "red")
    if repetition is None or repetition.verdict == "different":
        raise typer.Exit(1)


def _show_repetition(repetition: "Repetition", tolerance: float) -> None:
    say(repetition.verdict, "red" if repetition.verdict == "different" else "green")
    largest = "none"
    if repetition.largest_of is not None:
        largest = f"{repetition.largest:.3g} ({repetition.largest_of})"
    say(f"largest difference: {largest}; the bound is {tolerance:g}, relative, absolute below 1")
    for reason in repetition.reasons:
        say(f"differs: {reason}")


def _plain_repetition(repetition: "Repetition") -> dict[str, Any]:
    # A figure that one side lacks differs without end, which is no JSON.
    largest = repetition.largest if math.isfinite(repetition.largest) else None
    return asdict(repetition) | {"largest": largest}


def _show(evidence: "Evidence") -> None:
    say(f"{evidence.study_id}: {evidence.runs} finished runs")
    for check in evidence.checks:
        bad = len(check.mismatches)
        held = "ok  " if check.count else "none"
        say(
            f"{'FAIL' if bad else held} {check.name}: {check.count} {check.things}"
            + (f", {bad} differ" if bad else ""),
            "red" if bad else None,
        )
    for check in evidence.checks:
        for mismatch in check.mismatches:
            say(f"{check.name}: {mismatch.text}")
    for note in evidence.notes:
        say(note, "yellow")
    if not evidence.holds:
        again = f"voxsiam study report {evidence.study_id}"
        say(f"if runs have ended since, or another version of VoxSiam wrote the report: {again}")


def _plain(evidence: "Evidence") -> dict[str, Any]:
    return {
        "study_id": evidence.study_id,
        "finished_runs": evidence.runs,
        "holds": evidence.holds,
        "notes": evidence.notes,
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
