"""What it costs to compare the rows of a table, beside the resampling that version 0.1.0 did.

Run: .venv/bin/python platform/benchmarks/comparisons.py --size 3 2 6 --size 12 9 30
Sizes are rows, seeds and patients. The baseline draws a BCa bootstrap of every mean and difference,
Wilcoxon's test, and 2,000 resamples one by one for the shares of first places.
"""

import argparse
import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pairs import show, time_in_turn
from scipy import stats

from voxsiam.orchestration.studies.table import Table
from voxsiam.types import PAPER_ORGANS
from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.tables.report_table import build_table
from voxsiam_experiments.studies import TABLES

MOST_RESAMPLES, DRAWS = 9999, 2000


def make_study(rows: int, seeds: int, patients: int) -> tuple[Table, StudyResults]:
    """Make up the scores of a study."""
    table = dataclasses.replace(TABLES["readings"], rows=TABLES["readings"].rows[:rows])
    rng = np.random.default_rng(0)
    count = patients * len(PAPER_ORGANS)
    trials = []
    for row in table.rows:
        for seed in range(seeds):
            cases = pd.DataFrame(
                {
                    "case_id": np.repeat(
                        [f"case{n:03}" for n in range(patients)], len(PAPER_ORGANS)
                    ),
                    "organ": list(PAPER_ORGANS) * patients,
                    "dsc": rng.uniform(0.5, 0.9, count),
                    "hd95_grid": rng.uniform(1, 9, count),
                    "assd_grid": rng.uniform(1, 4, count),
                    "missed": np.zeros(count, dtype=bool),
                }
            )
            trials.append(
                TrialResult(
                    row=row.label,
                    seed=seed,
                    run_id=f"{row.label}/{seed}",
                    status="FINISHED",
                    fingerprints={},
                    recipe=row.recipe.model_dump(mode="json"),
                    final={"dsc": 0.7, "scored_organs": float(count)},
                    curves=pd.DataFrame(),
                    cases=cases,
                )
            )
    plan = {"seeds": seeds, "grid_hwd": [48, 48, 32]}
    return table, StudyResults(
        study=table.name,
        preset="mini",
        study_id="benchmark",
        experiment_id="0",
        parent_run_id="0",
        plan=plan,
        fingerprints={},
        trials=tuple(trials),
    )


def resample(count: int, patients: int) -> None:
    """Do what version 0.1.0 did for so many differences: BCa and Wilcoxon."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        values = rng.normal(0, 1, patients)
        stats.bootstrap((values,), np.mean, n_resamples=MOST_RESAMPLES, method="BCa", rng=rng)
        stats.wilcoxon(values, zero_method="pratt")


def resample_table(rows: int, seeds: int, patients: int) -> None:
    """Do what version 0.1.0 did for a table."""
    resample(3 * rows, patients)
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.5, 0.9, (rows, seeds, patients))
    for _ in range(DRAWS):
        drawn = rng.integers(0, patients, patients)
        np.argsort(
            [np.nanmean(row[rng.integers(0, seeds, seeds)][:, drawn]) for row in scores],
            kind="stable",
        )


def compare(size: Sequence[int], rounds: int) -> None:
    """Time both for one size: rows, seeds, patients."""
    rows, seeds, patients = size
    table, results = make_study(rows, seeds, patients)
    words = f"{rows} rows x {seeds} seeds x {patients} patients"
    times = time_in_turn(
        lambda: resample_table(rows, seeds, patients), lambda: build_table(table, results), rounds
    )
    show(f"{words}, table of a report", times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=3, action="append", metavar=("R", "S", "P"))
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    for size in asked.size or [[3, 2, 6], [12, 9, 30]]:
        compare(size, asked.rounds)
