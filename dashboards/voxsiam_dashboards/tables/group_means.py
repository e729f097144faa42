"""Means over organs, cases and patients; what is not defined is in none.

Every mean is `statistics.fmean`'s: its last digit does not depend on the order of the figures.
"""

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from voxsiam_dashboards.store.results import StudyResults, TrialResult


def seeds_by_patient(trials: Iterable[TrialResult], results: StudyResults) -> pd.DataFrame:
    """Mean DSC over organs: one line for each patient, one column for each finished seed."""
    named = patients_of(results)
    columns = {t.seed: patient_means(t.cases, named) for t in trials if t.finished}
    return pd.DataFrame(columns).sort_index()


def patients_of(results: StudyResults) -> Mapping[str, str]:
    """Name the patients of the cases whose patient has another name than the case."""
    named = results.plan.get("patients")
    return named if isinstance(named, dict) else {}


def patient_means(
    cases: pd.DataFrame, patients: Mapping[str, str], measure: str = "dsc"
) -> dict[str, float]:
    """Average a measure over the organs of a case, then over the cases of a patient."""
    means: dict[str, list[float]] = {}
    of_cases = group_means(cases["case_id"].to_numpy(), cases[measure].to_numpy())
    for case_id, mean in of_cases.items():
        means.setdefault(patients.get(case_id, case_id), []).append(mean)
    return {patient: fmean(each) for patient, each in means.items()}


def group_means(names: np.ndarray, values: np.ndarray) -> dict[Any, float]:
    """Average the finite figures of each name, in the order in which names first have one."""
    figures = values.astype(float)
    known = np.isfinite(figures)
    codes, found = pd.factorize(names[known])
    ordered = figures[known][np.argsort(codes, kind="stable")].tolist()
    ends = np.cumsum(np.bincount(codes, minlength=len(found))).tolist()
    starts = [0, *ends][:-1]
    return {
        name: fmean(ordered[start:end])
        for name, start, end in zip(found, starts, ends, strict=True)
    }
