"""A row's figures by patient and seed: a case is averaged over its organs, a patient over cases."""

from collections.abc import Iterable, Mapping

import pandas as pd

from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.tables.group_means import group_means, pooled_means


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
    return pooled_means(
        group_means(cases["case_id"].to_numpy(), cases[measure].to_numpy()), patients
    )
