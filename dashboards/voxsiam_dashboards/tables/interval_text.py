"""Intervals and p-values in words."""

from voxsiam.statistics.interval import Interval, too_few_where_cases_fail

FEW = "*"
"""Stands behind an interval of so few patients that failures may not have been met."""


def between(interval: Interval | None, patients: int, sign: str = "") -> str:
    """Write an interval behind its mean; nothing where there is none.

    Args:
        interval: Of a mean over patients.
        patients: How many; few of them get the mark FEW.
    """
    if interval is None:
        return ""
    mark = FEW if too_few_where_cases_fail(patients) else ""
    return f" [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]{mark}"


def p_text(p_value: float) -> str:
    """Write a p-value."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
