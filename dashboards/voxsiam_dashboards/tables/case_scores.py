"""Every score of a study as one tidy table: a line for each row, seed, test case and organ."""

from collections.abc import Mapping

import pandas as pd

from voxsiam_dashboards.store.results import StudyResults, TrialResult
from voxsiam_dashboards.tables.group_means import patients_of
from voxsiam_dashboards.tables.report_table import ReportTable
from voxsiam_dashboards.tables.text_table import defused

MEASURES = {
    "reference_voxels": "voxels",
    "predicted_voxels": "predicted_voxels",
    "dsc": "dsc",
    "hd95_grid": "hd95_voxels",
    "assd_grid": "assd_voxels",
    "missed": "missed",
    "reference_voxels_native": "voxels_native",
    "predicted_voxels_native": "predicted_voxels_native",
    "dsc_native": "dsc_native",
    "hd95_mm_native": "hd95_mm",
    "assd_mm_native": "assd_mm",
    "missed_native": "missed_native",
}
"""Fields of OrganScore and what they are called here: on the training grid, then on the scan's."""

_NAMES = ("study", "row", "seed", "case", "patient", "organ")


def case_scores(results: StudyResults) -> pd.DataFrame:
    """Put the scores of all finished trainings into one table, in the order of the study.

    Returns:
        Columns study, row, seed, case, patient, organ and those of MEASURES. A measure that is not
        defined is NaN (docs/metrics.md); a case without a named patient is a patient of its own.
    """
    patients = patients_of(results)
    scored = (trial for trial in results.trials if trial.finished and len(trial.cases))
    parts = [_scores_of(trial, patients) for trial in scored]
    if not parts:
        return pd.DataFrame(columns=[*_NAMES, *MEASURES.values()])
    table = pd.concat(parts, ignore_index=True)
    return table.assign(study=results.study_id).loc[:, [*_NAMES, *MEASURES.values()]]


def to_scores_csv(report: ReportTable) -> str:
    """Write all scores of a study for statistics programs and spreadsheets."""
    table = case_scores(report.results)
    for name in (name for name in _NAMES if name != "seed"):
        # A name stands in many lines and is looked at once.
        safe = {text: defused(str(text)) for text in table[name].unique()}
        table[name] = table[name].map(safe.__getitem__)
    return table.to_csv(index=False, lineterminator="\n")


def _scores_of(trial: TrialResult, patients: Mapping[str, str]) -> pd.DataFrame:
    cases = trial.cases["case_id"].astype(str)
    named = {"row": trial.row, "seed": trial.seed, "case": cases}
    named |= {"patient": cases.map(lambda case_id: patients.get(case_id, case_id))}
    named |= {"organ": trial.cases["organ"].astype(str)}
    measures = trial.cases.loc[:, list(MEASURES)].set_axis(list(MEASURES.values()), axis=1)
    return measures.assign(**named)
