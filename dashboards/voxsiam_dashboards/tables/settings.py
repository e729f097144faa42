"""The settings in which rows differ, and no others: what is alike would drown them."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from voxsiam.fingerprint import flatten
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import TextTable

ABSENT, PRESENT = "absent", "present"
PRESENT_NOTE = (
    "A group of settings is present or absent as a whole; of its settings only those are listed "
    "in which the rows that have it differ."
)


def settings_that_differ(recipes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Name the settings that are not the same in all recipes, with the value in each."""
    flat = [flatten(recipe) for recipe in recipes]
    names = dict.fromkeys(name for settings in flat for name in settings)
    found = {name: tuple(_text(name, each, names) for each in flat) for name in names}
    differing = {name: values for name, values in found.items() if len({*values} - {None}) > 1}
    return {name: tuple(v or ABSENT for v in values) for name, values in differing.items()}


def row_settings(report: ReportTable) -> dict[str, tuple[str, ...]]:
    """Name those of the rows that have started, by each one's first run: seeds share a recipe."""
    started = [row for row in report.rows if row.trials]
    return settings_that_differ(
        [{**row.trials[0].recipe, "label_fraction": row.label_fraction} for row in started]
    )


def settings_table(report: ReportTable) -> TextTable:
    """Write one line a setting that differs, one column a row that has started."""
    labels = [row.label for row in report.rows if row.trials]
    found = row_settings(report)
    return TextTable(
        title="Settings that differ",
        header=("Setting", *labels),
        body=tuple((name, *values) for name, values in found.items()),
        notes=_notes(len(labels), found),
    )


def _notes(rows: int, found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if rows < 2:
        return ("Fewer than two rows have started.",)
    if not found:
        return ("The rows differ in no setting.",)
    return (PRESENT_NOTE,) if any(PRESENT in values for values in found.values()) else ()


def _text(name: str, settings: Mapping[str, Any], names: Mapping[str, None]) -> str | None:
    """Write a setting; None where a whole group around it is left out."""
    if settings.get(name) is not None:
        return str(settings[name])
    groups = accumulate(name.split(".")[:-1], "{}.{}".format)
    if any(settings.get(group, name) is None for group in groups):
        return None
    is_group = any(other.startswith(f"{name}.") for other in names)
    has_it = any(other.startswith(f"{name}.") for other in settings)
    return PRESENT if is_group and has_it else ABSENT
