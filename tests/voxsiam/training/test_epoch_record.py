import math

import numpy as np
import pytest

from voxsiam.training.epoch_record import organ_means
from voxsiam.types import ORGANS


def literal_means(rows):
    """By loops: cases of an organ, then organs; the first column is background."""
    of_organ = {}
    for place, organ in enumerate(ORGANS, start=1):
        known = [row[place] for row in rows if not math.isnan(row[place])]
        if known:
            of_organ[organ] = sum(known) / len(known)
    return sum(of_organ.values()) / len(of_organ), of_organ


@pytest.mark.parametrize("seed", range(3))
def test_every_organ_counts_alike_and_background_not_at_all(seed):
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0, 1, (5, 1 + len(ORGANS)))
    rows[rng.random(rows.shape) < 0.3] = np.nan
    rows[:, 0] = 100.0
    mean, of_organ = literal_means(rows.tolist())
    found = organ_means("validation/dsc", rows.tolist())
    assert found.pop("validation/dsc") == pytest.approx(mean)
    assert found == pytest.approx(
        {f"validation/dsc/{organ}": of_organ[organ] for organ in of_organ}
    )


@pytest.mark.parametrize("place", range(1, 1 + len(ORGANS)))
def test_no_organ_is_left_out(place):
    rows = [[0.5] * (1 + len(ORGANS))]
    rows[0][place] = 0.0
    assert organ_means("dsc", rows)["dsc"] == pytest.approx(0.5 * 7 / 8)
    assert organ_means("dsc", rows)[f"dsc/{ORGANS[place - 1]}"] == 0


def test_organs_that_no_case_has_are_left_out():
    rows = [[math.nan] * (1 + len(ORGANS))]
    assert organ_means("dsc", rows) == {"dsc": 0}
    rows[0][3] = 0.4
    assert organ_means("dsc", rows) == {"dsc": 0.4, f"dsc/{ORGANS[2]}": 0.4}
