"""Two rows, or two studies, side by side: what differs between them, and what that does."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from voxsiam.errors import UserError
from voxsiam.orchestration.studies.table import Table
from voxsiam.types import organ_title
from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.tables.group_means import patients_of, seeds_by_patient
from voxsiam_dashboards.tables.paired_cells import (
    DSC_LIMIT,
    PairedCells,
    pair_cases,
    pair_cells,
    pair_organs,
)
from voxsiam_dashboards.tables.row_tests import RowTest, family_tests
from voxsiam_dashboards.tables.settings import settings_that_differ

DISTANCES = {"hd95_grid": "HD95 (voxels)", "assd_grid": "ASSD (voxels)"}


@dataclass(frozen=True, eq=False)
class ComparedRow:
    """A row of a study, or one run of it, as one side of a comparison.

    Attributes:
        seed: Of the run; None takes all runs of the row.
        partners: By the label of a row, that of the one which the study's table sets against it.
    """

    label: str
    results: StudyResults
    label_fraction: float = 1.0
    seed: int | None = None
    partners: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """How people call it inside its study."""
        return self.label if self.seed is None else f"{self.label}, seed {self.seed}"

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{self.results.study}/{self.title}"

    @property
    def started(self) -> list[TrialResult]:
        """Its runs, finished or not."""
        own = [trial for trial in self.results.trials if trial.row == self.label]
        return own if self.seed is None else [t for t in own if t.seed == self.seed]

    @property
    def trials(self) -> list[TrialResult]:
        """Its finished runs."""
        return [trial for trial in self.started if trial.finished]


@dataclass(frozen=True)
class Effect:
    """One distance, or one organ's DSC, in both rows; B is the row that is asked about."""

    what: str
    test: RowTest


@dataclass(frozen=True)
class RowPair:
    """Two rows compared.

    Attributes:
        first: Name of the row A; `second` is B's.
        settings: Those that differ, with both values.
        dsc: B against A, corrected for the family.
        family: Names of the comparisons that are corrected together.
        distances: B against A; one family with `organs`.
        organs: DSC by organ.
        missed: Missed and scored organs of A and of B, all seeds together.
    """

    first: str
    second: str
    settings: dict[str, tuple[str, ...]]
    dsc: RowTest
    family: tuple[str, ...]
    distances: tuple[Effect, ...]
    organs: tuple[Effect, ...]
    missed: tuple[tuple[int, int], tuple[int, int]]


def compare_two_rows(first: ComparedRow, second: ComparedRow) -> RowPair:
    """Compare two rows on the patients and seeds that both have.

    Raises:
        UserError: A row has no finished run, they were tested on other cases, or they have no seed
            in common.
    """
    _require_same_cases(first, second)
    own = f"{second.title} against {first.title}"
    family = {own: _dsc_cells(second, first), **_planned(first, second)}
    return _row_pair(first, second, family_tests(family)[own], tuple(family))


def _row_pair(
    first: ComparedRow, second: ComparedRow, dsc: RowTest | None, family: tuple[str, ...]
) -> RowPair:
    if dsc is None:
        raise UserError(
            "the rows have no seed in common, so nothing can be paired",
            where=f"{first.name} and {second.name}",
            fix="run both with the same --seeds",
        )
    patients = {**patients_of(first.results), **patients_of(second.results)}
    theirs, ours = _matched(first, second)
    cases = pair_cases(ours, theirs, ["dsc", *DISTANCES])
    organs = first.results.organs
    pairs = {title: pair_organs(cases, patients, key, organs) for key, title in DISTANCES.items()}
    pairs |= {organ_title(organ): pair_organs(cases, patients, "dsc", [organ]) for organ in organs}
    effects = [Effect(what, test) for what, test in family_tests(pairs).items() if test]
    return RowPair(
        first=first.name,
        second=second.name,
        settings=settings_that_differ(
            [
                {**row.trials[0].recipe, "label_fraction": row.label_fraction}
                for row in (first, second)
            ]
        ),
        dsc=dsc,
        family=family,
        distances=tuple(each for each in effects if each.what in DISTANCES.values()),
        organs=tuple(each for each in effects if each.what not in DISTANCES.values()),
        missed=(_missed(first), _missed(second)),
    )


def compare_studies(
    first: StudyResults, second: StudyResults, table: Table
) -> tuple[dict[str, tuple[str, ...]], tuple[RowPair, ...]]:
    """Compare the rows that two studies share by their labels, and what the studies differ in.

    Raises:
        UserError: No row has finished in both.
    """
    rows = [
        (ComparedRow(row.label, first, row.label_fraction),
         ComparedRow(row.label, second, row.label_fraction))
        for row in table.rows
    ]  # fmt: skip
    pairs = [(a, b) for a, b in rows if a.trials and b.trials]
    if not pairs:
        raise UserError(
            "no row has finished in both studies",
            where=f"{first.study_id} and {second.study_id}",
            fix="compare two rows by name, for example 'table3/feature (3)'",
        )
    for a, b in pairs:
        _require_same_cases(a, b)
    cells = {f"{b.name} against {a.name}": _dsc_cells(b, a) for a, b in pairs}
    tests = family_tests(cells).values()
    return study_differences(first, second), tuple(
        _row_pair(a, b, test, tuple(cells)) for (a, b), test in zip(pairs, tests, strict=True)
    )


def study_differences(first: StudyResults, second: StudyResults) -> dict[str, tuple[str, ...]]:
    """Name what two studies were run with that differs."""
    return settings_that_differ([_study_facts(first), _study_facts(second)])


def _dsc_cells(ours: ComparedRow, theirs: ComparedRow) -> PairedCells | None:
    left, right = (
        seeds_by_patient(trials, side.results)
        for trials, side in zip(_matched(ours, theirs), (ours, theirs), strict=True)
    )
    return pair_cells(left, right, DSC_LIMIT)


def _planned(first: ComparedRow, second: ComparedRow) -> dict[str, PairedCells | None]:
    """Pair the rows that the study's table compares anyway, but for these two.

    Rows of one table are one family, so that a comparison has the same p-value here and in the
    study's report. Single runs, and rows of two studies, are a family of their own.
    """
    of_one_study = first.results.study_id == second.results.study_id
    if not of_one_study or first.seed is not None or second.seed is not None:
        return {}
    asked = {first.label, second.label}
    planned = {
        f"{label} against {partner}": _dsc_cells(
            ComparedRow(label, first.results), ComparedRow(partner, first.results)
        )
        for label, partner in first.partners.items()
        if {label, partner} != asked
    }
    return {name: cells for name, cells in planned.items() if cells is not None}


def _matched(first: ComparedRow, second: ComparedRow) -> list[list[TrialResult]]:
    """Take the runs of both, by the seeds that pair them: two single runs pair whatever theirs."""
    sides = [first.trials, second.trials]
    if first.seed is None or second.seed is None:
        return sides
    return [[replace(trial, seed=0) for trial in side] for side in sides]


def _require_same_cases(first: ComparedRow, second: ComparedRow) -> None:
    for row in (first, second):
        if not row.trials:
            raise UserError(
                "this row has no finished run",
                where=row.name,
                fix=f"finish it first: voxsiam study resume {row.results.study_id}",
            )
    ours, theirs = _cases(first), _cases(second)
    if ours != theirs:
        raise UserError(
            "the rows were tested on other cases: "
            f"{len(ours - theirs)} of A's {len(ours)} cases are none of B's {len(theirs)}, "
            f"{len(theirs - ours)} the other way",
            where=f"{first.name} and {second.name}",
            fix="run both on the same data with the same --split",
        )


def _cases(row: ComparedRow) -> set[str]:
    """Name the test cases with the data they come from: other data may have the same names."""
    return {
        f"{trial.fingerprints.get('data', '')}/{case_id}"
        for trial in row.trials
        for case_id in trial.cases["case_id"]
    }


def _missed(row: ComparedRow) -> tuple[int, int]:
    missed, scored = (
        round(sum(trial.final.get(key, 0.0) for trial in row.trials))
        for key in ("missed_organs", "scored_organs")
    )
    return missed, scored


def _study_facts(results: StudyResults) -> dict[str, object]:
    plan = results.plan
    return {
        "preset": results.preset,
        "data": results.fingerprints.get("data_name", ""),
        "data_fingerprint": results.fingerprints.get("data", ""),
        "split": results.fingerprints.get("split", ""),
        "seeds": str(plan.get("seeds", "")),
        "workers": str(plan.get("workers", "")),
        "grid_hwd": str(plan.get("grid_hwd", "")),
    }
