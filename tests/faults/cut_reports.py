"""A report is killed while it replaces an older one.

Run: python -m tests.faults.cut_reports FOLDER TRIES      (prints a JSON line for each kill)
"""

import hashlib
import json
import random
import sys
from pathlib import Path

from tests.faults.killed_calls import count_calls, forked, kill_at
from tests.voxsiam_dashboards.study_store import STUDY_ID, TABLE, open_client, write_study
from voxsiam_dashboards.reports.study import write_report
from voxsiam_dashboards.store.study_reading import find_study, load_study
from voxsiam_dashboards.tables.report_table import build_table

OLD, NEW = "http://old.example:5000", "http://new.example:5000"


def digest(report: Path) -> dict[str, str]:
    """Hash every file of a report."""
    files = sorted(path for path in report.rglob("*") if path.is_file())
    return {str(p.relative_to(report)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def main(folder: Path, tries: int) -> None:
    """Kill at seeded file operations of writing a report over an older one."""
    client, uri = open_client(folder)
    write_study(client, folder)
    table = build_table(TABLE, load_study(uri, find_study(uri, STUDY_ID)))
    report, cache = folder / "reports" / "table3", folder / "cache"
    write_report(table, report, OLD, cache=cache)
    old = digest(report)

    def write_new() -> None:
        write_report(table, report, NEW, cache=cache)

    counted = folder / "operations"
    trial = folder / "reports" / "counted"

    def count() -> None:
        counts = count_calls()
        write_report(table, trial, NEW, cache=cache)
        sys.setprofile(None)
        counted.write_text(str(counts[0]))

    assert forked(count) == 0
    total = int(counted.read_text())
    draw = random.Random(0)
    for number in sorted(draw.randint(1, total) for _ in range(tries)):

        def job(number=number):
            kill_at(number)
            write_new()

        code = forked(job)
        found = digest(report)
        page = (report / "index.html").read_text(encoding="utf-8")
        is_new = NEW in page and OLD not in page and found.keys() == old.keys()
        if is_new:
            write_report(table, report, OLD, cache=cache)
            old = digest(report)
        outcome = {"at": number, "of": total, "code": code, "old": found == old, "new": is_new}
        sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
