import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from voxsiam.statistics.family import holm


def test_holm_against_its_definition():
    # Ascending: 0.01 x 3, 0.03 x 2, 0.04 x 1, none below the one before.
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": None}) == {
        "a": pytest.approx(0.03),
        "b": pytest.approx(0.06),
        "c": pytest.approx(0.06),
        "d": None,
    }


def test_a_family_of_one_pays_nothing_and_no_p_value_exceeds_one():
    assert holm({"x": None}) == {"x": None}
    assert holm({"x": 0.2})["x"] == pytest.approx(0.2)
    assert holm({"x": 0.9, "y": 0.8})["x"] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_holm_against_statsmodels(seed):
    p_values = np.random.default_rng(seed).beta(0.5, 3, 11).round(2)
    found = holm({str(place): float(p) for place, p in enumerate(p_values)})
    assert list(found.values()) == pytest.approx(multipletests(p_values, method="holm")[1])
