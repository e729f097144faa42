"""The cases of a study as tables: who saw which, what is annotated, what was checked."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from voxsiam.errors import UserError
from voxsiam.types import Split, organ_title
from voxsiam_dashboards.store.run_splits import RunSplit, StudySplits
from voxsiam_dashboards.tables.group_means import patients_of
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.rows import ReportRow
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_data.prepared.prepared_set import PreparedSet
from voxsiam_data.prepared.record import PreparedCase
from voxsiam_data.splits.absent_organs import absent_organs
from voxsiam_data.splits.leaks import check_split

SIDES = {"train": "training", "validation": "validation", "test": "test"}
HOLDS, UNSEEN = "holds", "not visible from here"
_CASE_HEADER = ("Case", "Patient", "Side", "Trained on by", "Organs in view", "Not annotated")


def row_table(report: ReportTable, splits: StudySplits) -> TextTable:
    """Write for each row how many cases it sees."""
    body: list[tuple[str, ...]] = []
    for row in report.rows:
        split = splits.rows.get(row.label)
        counts = ("-" if split is None else str(len(getattr(split, side))) for side in SIDES)
        body.append((row.label, f"{row.label_fraction:.0%}", *counts, row.seeds_text))
    header = ("Row", "Labelled", *(name.capitalize() for name in SIDES.values()), "Seeds done")
    return TextTable("Cases of each row", header, tuple(body))


def case_table(report: ReportTable, splits: StudySplits, prepared: PreparedSet | None) -> TextTable:
    """Write one line for each case of any run; the prepared set names patients and organs."""
    side_of = _sides(splits)
    known = {case.case_id: case for case in prepared.cases} if prepared else {}
    patients = {**patients_of(report.results), **{key: c.patient_id for key, c in known.items()}}
    scored = _scored(report)
    rows = [row for row in report.rows if row.label in splits.rows]
    body = tuple(
        (case_id, str(patients.get(case_id, "-")), SIDES[side],
         _seen_by(case_id, rows, splits) if side == "train" else "-",
         *_organs(known.get(case_id), scored.get(case_id), report.results.organs))
        for case_id, side in side_of.items()
    )  # fmt: skip
    notes = () if prepared else (
        "Patients and organs of training cases stand in the prepared set, which this machine does "
        "not see; of test cases the scored organs are counted.",
    )  # fmt: skip
    return TextTable("Cases", _CASE_HEADER, body, notes)


def run_table(run: RunSplit) -> TextTable:
    """Write every case that one run saw."""
    body = tuple((SIDES[side], str(len(ids)), ", ".join(ids) or "-") for side, ids in run.split)
    title = f"What {run.row} with seed {run.seed} saw"
    return TextTable(title, ("Side", "Cases", "Their names"), body)


def check_table(splits: StudySplits, prepared: PreparedSet | None) -> TextTable:
    """Ask of the splits what must hold of them."""
    own = [run.split for run in splits.runs]
    trained_on = sorted({frozenset(split.train) for split in own}, key=len)
    asked = {
        "No case stands on two sides": all(split.disjoint() for split in own),
        "Every row is tested on the same cases": len({frozenset(s.test) for s in own}) <= 1,
        "Each share of labels holds the smaller ones": all(
            small <= large for small, large in pairwise(trained_on)
        ),
    }
    lines = [(each, HOLDS if holds else "BROKEN") for each, holds in asked.items()]
    lines += _checks_of_the_set(splits.widest, prepared)
    return TextTable("Checks", ("Asked", "Answer"), tuple(lines))


def _checks_of_the_set(split: Split | None, prepared: PreparedSet | None) -> list[tuple[str, str]]:
    asked = (
        "No patient, file or like image stands on two sides",
        "Every side shows every organ",
        "Every case has passed the checks",
        "Cases that could not be prepared",
    )
    if prepared is None or split is None:
        return [(each, UNSEEN) for each in asked]
    left_out = "; ".join(f"{each.case_id}: {each.why}" for each in prepared.left_out)
    passed = HOLDS if prepared.checked else "not checked: voxsiam data check SOURCE"
    answers = (_leaks(split, prepared), _absent(split, prepared), passed, left_out or "none")
    return list(zip(asked, answers, strict=True))


def _leaks(split: Split, prepared: PreparedSet) -> str:
    try:
        return " ".join(check_split(split, prepared)) or HOLDS
    except UserError as error:
        return f"BROKEN: {error.what}"


def _absent(split: Split, prepared: PreparedSet) -> str:
    try:
        return " ".join(absent_organs(split, prepared)) or HOLDS
    except KeyError as error:
        return f"BROKEN: the case {error} is not in the set"


def _sides(splits: StudySplits) -> dict[str, str]:
    """Name the side of each case, training cases first; one that no run trains on is left out."""
    found: dict[str, str] = {}
    for side in SIDES:
        ids = {case_id for run in splits.runs for case_id in getattr(run.split, side)}
        found |= {case_id: side for case_id in sorted(ids) if case_id not in found}
    return found


def _seen_by(case_id: str, rows: Sequence[ReportRow], splits: StudySplits) -> str:
    """Name the rows by their shares where a share decides, else by their labels."""
    seen = [row for row in rows if case_id in splits.rows[row.label].train]
    shares = sorted({row.label_fraction for row in seen})
    if len(seen) == len(rows):
        return "every row"
    if [row for row in rows if row.label_fraction in shares] == seen:
        return ", ".join(f"{share:.0%}" for share in shares)
    return ", ".join(row.label for row in seen)


def _scored(report: ReportTable) -> dict[str, dict[str, bool]]:
    """Tell of each test case which organs were annotated, and of each whether it is in view."""
    found: dict[str, dict[str, bool]] = {}
    names = ("case_id", "organ", "reference_voxels")
    for cases in (trial.cases for trial in report.results.trials):
        for case_id, organ, voxels in zip(*(cases[name] for name in names), strict=True):
            found.setdefault(case_id, {})[organ] = voxels > 0
    return found


def _organs(
    case: PreparedCase | None, scored: Mapping[str, bool] | None, organs: Sequence[str]
) -> tuple[str, str]:
    """Count the organs in view and name those that nobody annotated."""
    if case is None and not scored:
        return UNSEEN, UNSEEN
    seen = (
        {organ: count > 0 for organ, count in case.organ_voxels.items()} if case else scored or {}
    )
    annotated = case.annotated if case else seen
    absent = [organ_title(organ) for organ in organs if organ not in annotated]
    return f"{sum(seen.values())} of {len(organs)}", ", ".join(absent) or "-"
