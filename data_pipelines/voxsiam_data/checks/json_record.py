"""What checks.json holds: a report in plain values."""

from dataclasses import asdict
from typing import Any

from voxsiam_data.checks.case import CaseReport
from voxsiam_data.checks.data_set import CheckReport
from voxsiam_data.checks.finding import Finding

VERSION = 1


def record_of(report: CheckReport) -> dict[str, Any]:
    """Turn a report into plain values, the worst cases first."""
    return {
        "version": VERSION,
        "data_set": report.name,
        "notes": list(report.notes),
        "unused": [asdict(one) | {"path": str(one.path)} for one in report.unused],
        "num_cases": len(report.cases),
        "counts": report.counts,
        "pairs": [asdict(pair) for pair in report.pairs],
        "findings": [_plain(finding) for finding in report.of_the_set],
        "cases": [_case(case) for case in report.cases],
    }


def _case(case: CaseReport) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "severity": case.severity,
        "shape": case.shape,
        "spacing_mm": case.spacing_mm,
        "organs_ml": {one.organ: round(one.volume_ml, 2) for one in case.organs},
        "findings": [_plain(finding) for finding in case.findings],
    }


def _plain(finding: Finding) -> dict[str, Any]:
    return finding.model_dump(exclude={"case_id"})
