import numpy as np
import pytest

from voxsiam.statistics.first_place import equal_rows_share, first_shares


def literal_shares(scores, resamples, rng):
    """Draw the patients once for all rows, the seeds of each row, and see whose mean is largest."""
    firsts = np.zeros(len(scores))
    num_patients = scores[0].shape[1]
    for _ in range(resamples):
        patients = rng.integers(0, num_patients, num_patients)
        means = [row[rng.integers(0, len(row), len(row))][:, patients].mean() for row in scores]
        firsts[int(np.argmax(means))] += 1
    return firsts / resamples


def study(rows, seeds, patients, of_seeds, of_patients, rest, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, of_patients, patients)
    return [
        shared + rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, rest, (seeds, patients))
        for _ in range(rows)
    ]


@pytest.mark.parametrize("spreads", [(0.02, 0.1, 0.01), (0.0, 0.1, 0.05), (0.02, 0.0, 0.0)])
def test_shares_are_those_of_a_literal_resampling(spreads):
    scores = study(3, 4, 9, *spreads, seed=3)
    found = first_shares(scores, 20_000)
    assert found == pytest.approx(
        literal_shares(scores, 20_000, np.random.default_rng(1)), abs=0.02
    )


def test_seeds_are_drawn_anew_for_each_row():
    """Trainings alone decide here: of two seeds a row, one row leads for some draws alone."""
    scores = [np.array([[0.0], [1.0]]).repeat(5, axis=1), np.full((2, 5), 0.6)]
    # The first row's mean is 0, 1/2 or 1 with chances 1/4, 1/2, 1/4.
    assert first_shares(scores, 20_000) == pytest.approx([0.25, 0.75], abs=0.02)


def test_patients_are_the_same_for_all_rows():
    """However large the spread of patients: a row that is better on each always leads."""
    patients = np.random.default_rng(0).normal(0, 10, (1, 8))
    assert first_shares([patients, patients + 0.01]).tolist() == [0, 1]


def test_equal_rows_share_the_first_place():
    row = np.random.default_rng(0).normal(0, 1, (1, 8))
    assert first_shares([row, row, row]) == pytest.approx([1 / 3] * 3)
    ahead = first_shares([row, row + 1, row + 1])
    assert ahead == pytest.approx([0, 0.5, 0.5])


def test_what_was_not_measured_is_left_out():
    scores = np.random.default_rng(0).normal(0, 1, (2, 10))
    scores[0, 3] = np.nan
    assert first_shares([scores, scores - 5], 50).tolist() == [1, 0]


def test_equal_rows_have_a_leader_all_the_same():
    """Three equal rows: in a fifth of studies the leader has about three quarters."""
    scores = study(3, 5, 20, 0.0, 0.1, 0.02)
    assert equal_rows_share(scores) == pytest.approx(0.75, abs=0.06)
    # Moving a row changes nothing: it is asked what equal rows would give.
    moved = [scores[0] + 5, *scores[1:]]
    assert equal_rows_share(moved) == pytest.approx(equal_rows_share(scores))


def test_more_rows_leave_less_to_the_leader_of_equal_ones():
    many = equal_rows_share(study(12, 5, 20, 0.01, 0.1, 0.02))
    few = equal_rows_share(study(2, 5, 20, 0.01, 0.1, 0.02))
    assert 1 / 12 < many < few < 1
