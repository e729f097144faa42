"""The settings in which rows differ, and no others: what is alike would drown them."""

from collections.abc import Mapping, Sequence
from typing import Any

from voxsiam.fingerprint import flatten
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow
from voxsiam_dashboards.tables.text_table import TextTable

ABSENT, PRESENT = "absent", "present"
PRESENT_NOTE = (
    "A group of settings is present or absent as a whole; of its settings only those are listed "
    "in which the rows that have it differ."
)

Settings = Mapping[str, Any]
"""By dotted names."""


def settings_that_differ(recipes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Name the settings that are not the same in all recipes, with the value in each."""
    flat = [flatten(recipe) for recipe in recipes]
    names = dict.fromkeys(name for settings in flat for name in settings)
    found = {name: tuple(_text(name, each, names) for each in flat) for name in names}
    differing = {name: values for name, values in found.items() if len({*values} - {None}) > 1}
    return {name: tuple(v or ABSENT for v in values) for name, values in differing.items()}


def settings_table(report: ReportTable) -> TextTable:
    """Write one line a setting that differs, one column a row."""
    started = [row for row in report.rows if row.trials]
    found = settings_that_differ([recipe_of(row) for row in started])
    return TextTable(
        title="Settings that differ",
        header=("Setting", *(row.label for row in started)),
        body=tuple((name, *values) for name, values in found.items()),
        notes=_notes(len(started), found),
    )


def recipe_of(row: ReportRow) -> dict[str, Any]:
    """Return the recipe of a row's first run, which is that of all its seeds."""
    return {**row.trials[0].recipe, "label_fraction": row.label_fraction}


def _notes(rows: int, found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if rows < 2:
        return ("Fewer than two rows have started.",)
    if not found:
        return ("The rows differ in no setting.",)
    return (PRESENT_NOTE,) if any(PRESENT in values for values in found.values()) else ()


def _text(name: str, settings: Settings, names: Mapping[str, None]) -> str | None:
    """Write a setting; None where the whole group that it belongs to is left out."""
    if settings.get(name) is not None:
        return str(settings[name])
    if any(settings.get(group, name) is None for group in _groups(name)):
        return None
    is_group = any(other.startswith(f"{name}.") for other in names)
    has_it = any(other.startswith(f"{name}.") for other in settings)
    return PRESENT if is_group and has_it else ABSENT


def _groups(name: str) -> list[str]:
    """Name the groups around a setting."""
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]
