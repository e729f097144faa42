import dataclasses
import math
from collections import defaultdict

import pytest

from tests.voxsiam_dashboards.study_store import EVIL
from voxsiam_dashboards.figures.patient_scatter import (
    measure_panels,
    partner_panels,
    patient_scatter,
)
from voxsiam_dashboards.tables.row_comparisons import Comparisons
from voxsiam_dashboards.tables.two_rows import ComparedRow, compare_two_rows
from voxsiam_dashboards.tables.two_rows_tables import missed_table

FIRST, SECOND = "feature (1)", "feature (2)"


def literal_means(results, label, other, measure):
    """A literal copy: organs of a case in a seed, cases of a patient, seeds, by loops."""
    patients = results.plan.get("patients", {})
    organs = defaultdict(list)
    for trial in results.trials:
        if trial.row == label and trial.finished:
            for line in trial.cases.to_dict("records"):
                key = line["case_id"], line["organ"], trial.seed
                if math.isfinite(line[measure]) and key in other:
                    organs[trial.seed, line["case_id"]].append(line[measure])
    cases = defaultdict(list)
    for (seed, case_id), found in organs.items():
        cases[patients.get(case_id, case_id), seed].append(sum(found) / len(found))
    seeds = defaultdict(list)
    for (patient, _), found in cases.items():
        seeds[patient].append(sum(found) / len(found))
    return {patient: sum(found) / len(found) for patient, found in seeds.items()}


def measured(results, label, measure):
    return {
        (line["case_id"], line["organ"], trial.seed)
        for trial in results.trials
        if trial.row == label and trial.finished
        for line in trial.cases.to_dict("records")
        if math.isfinite(line[measure])
    }


@pytest.mark.parametrize("patients", [{}, {"001": "p", "002": "p"}], ids=["cases", "patients"])
def test_points_are_the_patients_means_in_every_measure(results, patients):
    results = dataclasses.replace(results, plan=results.plan | {"patients": patients})
    pair = compare_two_rows(ComparedRow(FIRST, results), ComparedRow(SECOND, results))
    panels = measure_panels(pair)
    assert [panel.title.split()[0] for panel in panels] == ["DSC", "HD95", "ASSD"]
    for panel, measure in zip(panels, ("dsc", "hd95_grid", "assd_grid"), strict=True):
        of_a, of_b = (measured(results, label, measure) for label in (FIRST, SECOND))
        ours = literal_means(results, FIRST, of_b, measure)
        theirs = literal_means(results, SECOND, of_a, measure)
        assert set(panel.patients) == set(ours) == ({"000", "p"} if patients else set(ours))
        for patient, (level, upright) in panel.patients.items():
            assert level == pytest.approx(ours[patient])
            assert upright == pytest.approx(theirs[patient])


def test_a_point_above_the_dashed_line_is_a_patient_that_gains(results):
    pair = compare_two_rows(ComparedRow(FIRST, results), ComparedRow(SECOND, results))
    panels = measure_panels(pair)
    figure = patient_scatter(panels)
    assert figure is not None
    same, points = figure.to_plotly_json()["data"][:2]
    assert list(same["x"]) == list(same["y"])
    gains = [y - x for x, y in zip(points["x"], points["y"], strict=True)]
    assert sum(gains) / len(gains) == pytest.approx(pair.dsc.difference)
    assert panels[0].told.startswith("B - A +0.1")
    # Of the second row one seed has finished, and one tells nothing of other trainings.
    assert panels[0].told.endswith("3 patients x 1 seeds, cannot be told")


def test_the_report_draws_each_row_against_its_partner(report_table):
    assert partner_panels(report_table) == [], "their partner has not finished"
    sides = [ComparedRow(label, report_table.results) for label in (FIRST, SECOND)]
    test = compare_two_rows(*reversed(sides)).dsc
    found = next(each for each in report_table.comparisons.rows if each.row == FIRST)
    tested = Comparisons((dataclasses.replace(found, partner=SECOND, test=test),))
    (panel,) = partner_panels(dataclasses.replace(report_table, comparisons=tested))
    assert panel.title == FIRST
    assert SECOND in panel.level
    assert len(panel.patients) == 3
    assert all(level > upright for level, upright in panel.patients.values())


def test_names_with_markup_are_text(results):
    pair = compare_two_rows(ComparedRow(FIRST, results), ComparedRow(SECOND, results))
    panel = dataclasses.replace(
        measure_panels(pair)[0], title=EVIL, level=EVIL, upright=EVIL, patients={EVIL: (0.1, 0.2)}
    )
    figure = patient_scatter([panel])
    assert figure is not None
    assert "<script>" not in str(figure.to_json())
    assert patient_scatter([]) is None


def test_missed_organs_are_counted_with_their_cases(results):
    table = missed_table(ComparedRow(FIRST, results), ComparedRow(SECOND, results))
    assert table.body == (("Gallbladder", "1 of 6", "001", "0 of 3", "-"),)
    one = ComparedRow(FIRST, results, seed=1)
    none = missed_table(one, ComparedRow(SECOND, results))
    assert none.body == ()
    assert none.notes == ("Neither row missed an organ.",)


def test_one_run_is_compared_alone(results):
    one, two = (ComparedRow(FIRST, results, seed=seed) for seed in (0, 1))
    pair = compare_two_rows(one, two)
    assert (pair.first, pair.second) == (f"table3/{FIRST}, seed 0", f"table3/{FIRST}, seed 1")
    assert pair.missed == ((1, 24), (0, 24))
    assert pair.settings == {}
