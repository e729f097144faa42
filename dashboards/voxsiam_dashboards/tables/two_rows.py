"""Two rows, or two studies, side by side: what differs between them, and what that does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from voxsiam.errors import UserError
from voxsiam.metrics.statistics import LEVEL, PairedComparison, compare_paired, holm
from voxsiam.types import ORGANS, organ_title
from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.tables.patient_scores import patient_means, patients_of
from voxsiam_dashboards.tables.row_comparisons import between, p_text
from voxsiam_dashboards.tables.settings import settings_that_differ
from voxsiam_dashboards.tables.text_table import TextTable
from voxsiam_experiments.table import Table

MEASURES = {"dsc": "DSC (0 to 1)", "hd95_grid": "HD95 (voxels)", "assd_grid": "ASSD (voxels)"}
HEADER = ("", "A", "B", "B - A [95 % over patients]", "Patients", "Effect", "p (Wilcoxon, Holm)")
NOTE = (
    "Only organs of cases that have a figure in both rows are compared, each averaged over seeds "
    "first: an organ that one row misses counts in neither distance. DSC counts it as 0."
)


@dataclass(frozen=True, eq=False)
class ComparedRow:
    """A row of a study, or one run of it, as one side of a comparison.

    Attributes:
        seed: Of the run; None takes all runs of the row.
    """

    label: str
    results: StudyResults
    label_fraction: float = 1.0
    seed: int | None = None

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
    """One measure, or one organ's DSC, in both rows; means over what both have.

    Attributes:
        patients: A's and B's figure of each patient.
    """

    what: str
    first: float
    second: float
    paired: PairedComparison
    p_value: float | None
    patients: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """The cells in the order of HEADER."""
        paired = self.paired
        return (
            self.what,
            f"{self.first:.3f}",
            f"{self.second:.3f}",
            f"{paired.mean_difference:+.3f}{between(paired.interval, sign='+')}",
            str(paired.units),
            f"{paired.effect:+.2f}",
            "too few patients" if self.p_value is None else p_text(self.p_value),
        )


@dataclass(frozen=True)
class RowPair:
    """Two rows compared.

    Attributes:
        first: Name of the row A.
        second: Name of the row B.
        settings: Those that differ, with both values.
        measures: DSC and the distances.
        organs: DSC by organ.
        missed: Missed and scored organs of A and of B, all seeds together.
    """

    first: str
    second: str
    settings: dict[str, tuple[str, ...]]
    measures: tuple[Effect, ...]
    organs: tuple[Effect, ...]
    missed: tuple[tuple[int, int], tuple[int, int]]


def compare_two_rows(first: ComparedRow, second: ComparedRow) -> RowPair:
    """Compare two rows on the patients that both were tested on.

    Raises:
        UserError: A row has no finished run, or they were tested on other cases.
    """
    _require_same_cases(first, second)
    names = ["case_id", "organ"]
    flat = _scores(first).merge(_scores(second), on=names, suffixes=("_a", "_b"))
    patients = {**patients_of(first.results), **patients_of(second.results)}
    scored = set(flat["organ"].tolist())
    organs = [organ for organ in ORGANS if organ in scored]
    return RowPair(
        first=first.name,
        second=second.name,
        settings=settings_that_differ([_settings(first), _settings(second)]),
        measures=_effects({title: _sides(flat, key, patients) for key, title in MEASURES.items()}),
        organs=_effects(
            {organ_title(o): _sides(flat.loc[flat["organ"] == o], "dsc", patients) for o in organs}
        ),
        missed=(_missed(first), _missed(second)),
    )


def compare_studies(
    first: StudyResults, second: StudyResults, table: Table
) -> tuple[dict[str, tuple[str, ...]], tuple[RowPair, ...]]:
    """Compare the rows that two studies share by their labels, and what the studies differ in.

    Args:
        first: Study A.
        second: Study B.
        table: Names the order and the shares of labels of the rows.

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
    return study_differences(first, second), tuple(compare_two_rows(a, b) for a, b in pairs)


def study_differences(first: StudyResults, second: StudyResults) -> dict[str, tuple[str, ...]]:
    """Name what two studies were run with that differs."""
    return settings_that_differ([_study_facts(first), _study_facts(second)])


def settings_text_table(differing: Mapping[str, tuple[str, ...]], title: str) -> TextTable:
    """Write what differs, one line a setting."""
    body = tuple((name, *values) for name, values in differing.items())
    return TextTable(title, ("Setting", "A", "B"), body, () if body else ("Nothing differs.",))


def effects_table(pair: RowPair) -> TextTable:
    """Write measures, then organs."""
    effects = (*pair.measures, *pair.organs)
    held = (
        n for n, each in enumerate(effects) if each.p_value is not None and each.p_value <= LEVEL
    )
    (missed_a, scored_a), (missed_b, scored_b) = pair.missed
    missed = ("Missed organs", f"{missed_a} of {scored_a}", f"{missed_b} of {scored_b}")
    return TextTable(
        title=f"A: {pair.first}   B: {pair.second}",
        header=HEADER,
        body=(*(each.texts for each in effects), (*missed, "-", "-", "-", "-")),
        notes=(NOTE,),
        bold=frozenset((line, 3) for line in held),
    )


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


def _scores(row: ComparedRow) -> pd.DataFrame:
    """Average each organ of each case over the seeds that have a figure."""
    names = ["case_id", "organ"]
    table = pd.concat([trial.cases.loc[:, [*names, *MEASURES]] for trial in row.trials])
    return pd.DataFrame(table.groupby(names, as_index=False).mean())


def _sides(
    both: pd.DataFrame, measure: str, patients: Mapping[str, str]
) -> tuple[pd.Series, pd.Series]:
    """Average a measure by patient in A and in B, over what has a figure in both."""
    known = both.dropna(subset=[f"{measure}_a", f"{measure}_b"])
    first, second = (
        pd.Series(patient_means(known, patients, f"{measure}_{side}"), dtype=float)
        for side in ("a", "b")
    )
    return first, second


def _effects(sides: Mapping[str, tuple[pd.Series, pd.Series]]) -> tuple[Effect, ...]:
    """Compare B with A in each; p-values are corrected for the number of lines."""
    measured = {what: pair for what, pair in sides.items() if len(pair[0])}
    paired = {
        what: compare_paired(second.to_numpy(float), first.to_numpy(float))
        for what, (first, second) in measured.items()
    }
    corrected = holm({what: each.p_value for what, each in paired.items()})
    return tuple(
        Effect(
            what,
            float(first.mean()),
            float(second.mean()),
            paired[what],
            corrected[what],
            _by_patient(first, second),
        )
        for what, (first, second) in measured.items()
    )


def _by_patient(first: pd.Series, second: pd.Series) -> dict[str, tuple[float, float]]:
    pairs = zip(first.to_list(), second.to_list(), strict=True)
    return dict(zip(map(str, first.index), pairs, strict=True))


def _missed(row: ComparedRow) -> tuple[int, int]:
    return _sum(row.trials, "missed_organs"), _sum(row.trials, "scored_organs")


def _sum(trials: Iterable[TrialResult], key: str) -> int:
    return round(sum(trial.final.get(key, 0.0) for trial in trials))


def _settings(row: ComparedRow) -> dict[str, object]:
    return {**row.trials[0].recipe, "label_fraction": row.label_fraction}


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
