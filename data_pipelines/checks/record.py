"""What checks.json holds: a report in plain values."""

from dataclasses import asdict
from typing import Any

from data_pipelines.checks.check import CheckReport
from data_pipelines.checks.check_case import CaseReport

VERSION = 1


def record_of(report: CheckReport) -> dict[str, Any]:
    """Turn a report into plain values, the worst cases first."""
    return {
        "version": VERSION,
        "data_set": report.name,
        "notes": list(report.notes),
        "num_cases": len(report.cases),
        "counts": report.counts,
        "pairs": [asdict(pair) for pair in report.pairs],
        "cases": [_case(case) for case in report.cases],
    }


def _case(case: CaseReport) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "severity": case.severity,
        "shape": case.shape,
        "spacing_mm": case.spacing_mm,
        "organs_ml": {one.organ: round(one.volume_ml, 2) for one in case.organs},
        "findings": [finding.model_dump(exclude={"case_id"}) for finding in case.findings],
    }
