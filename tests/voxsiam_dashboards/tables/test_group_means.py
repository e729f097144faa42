"""Means of groups, against loops."""

import math
from statistics import fmean

import numpy as np
import pandas as pd
import pytest

from voxsiam_dashboards.tables.group_means import group_means, patient_means


def loop(names, values):
    groups = {}
    for name, value in zip(names, values, strict=True):
        if math.isfinite(value):
            groups.setdefault(name, []).append(value)
    return {name: fmean(group) for name, group in groups.items()}


@pytest.mark.parametrize("count", [0, 1, 500])
def test_means_are_those_of_a_loop_to_the_last_digit_and_in_its_order(count):
    rng = np.random.default_rng(count)
    names = [f"case{n}" for n in rng.integers(0, 40, count)]
    values = np.where(rng.random(count) < 0.3, np.nan, rng.random(count))
    values[rng.random(count) < 0.1] = np.inf
    found = group_means(np.array(names, dtype=object), np.array(values))
    assert list(found.items()) == list(loop(names, values.tolist()).items())


def test_a_case_called_nan_is_a_case():
    names = pd.Series(["nan", "0012", "nan"], dtype=object)
    assert group_means(names.to_numpy(), np.array([1.0, 2.0, 3.0])) == {"nan": 2.0, "0012": 2.0}


def test_cases_of_a_patient_weigh_alike_however_many_organs_they_have():
    cases = pd.DataFrame({"case_id": list("aabcb"), "dsc": [0.5, 1.5, 3.0, 5.0, np.nan]})
    assert patient_means(cases, {"a": "p", "b": "p"}) == {"p": 2.0, "c": 5.0}


def test_a_figure_of_0_counts():
    names = np.array(["a", "a", "b"], dtype=object)
    assert group_means(names, np.array([0.0, 1.0, 0.0])) == {"a": 0.5, "b": 0.0}
