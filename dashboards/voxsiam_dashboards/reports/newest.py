"""The name of a table among the reports: it leads to the report of the newest finished study."""

from pathlib import Path

from voxsiam.durable_files import temporary_beside
from voxsiam.errors import UserError
from voxsiam_dashboards.store.trial_files import read_object

_IDS = {"table.json": lambda report: report["study"]["study_id"],
        "trials.json": lambda report: report["sweep_id"]}  # fmt: skip
"""How the files of reports tell which study or sweep they are about."""


def lead_to(reports: Path, name: str, own_id: str) -> bool:
    """Make a relative link of a table's or sweep's name to one of the reports, in one step.

    Returns:
        Whether the name leads there now: a folder of that name is left as it is.
    """
    link = reports / name
    if link.exists() and not link.is_symlink():
        return False
    temporary = temporary_beside(link)
    temporary.symlink_to(own_id, target_is_directory=True)
    temporary.replace(link)
    return True


def earlier_reports(reports: Path) -> list[tuple[str, str]]:
    """List the reports that version 0.1.0 wrote under a table's name, with their studies.

    A study that has a report of its own is left out: there is no place for the earlier one.
    """
    folders = sorted(path for path in reports.glob("*") if path.is_dir() and not path.is_symlink())
    named = [(path.name, reported_id(path)) for path in folders]
    return [
        (name, own_id)
        for name, own_id in named
        if own_id is not None and own_id != name and not (reports / own_id).exists()
    ]


def adopt_earlier(reports: Path, name: str) -> None:
    """Give the report that version 0.1.0 wrote under its table's name the name of its study.

    What is no report, and a report whose study has another one, is left as it is.
    """
    own_id = dict(earlier_reports(reports)).get(name)
    if own_id is not None:
        (reports / name).rename(reports / own_id)


def reported_id(report: Path) -> str | None:
    """Name the study or sweep that a written report is about; None where it tells none."""
    for file, own_id in _IDS.items():
        try:
            found = own_id(read_object(report / file))
        except (UserError, KeyError, TypeError):
            continue
        if isinstance(found, str) and found and Path(found).name == found:
            return found
    return None
