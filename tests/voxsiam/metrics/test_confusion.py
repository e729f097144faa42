import numpy as np
import pytest
import torch

from voxsiam.metrics.agreement import dice
from voxsiam.metrics.confusion import dice_per_class

CLASSES = 4


def test_equals_the_score_of_each_case_and_class_by_itself():
    rng = np.random.default_rng(0)
    # Unlike counts of classes in the two maps, or rows and columns of the table could be swapped.
    prediction = rng.choice(CLASSES, (3, 4, 5, 6), p=[0.1, 0.2, 0.3, 0.4])
    reference = rng.choice(CLASSES, (3, 4, 5, 6), p=[0.6, 0.2, 0.1, 0.1])
    found = dice_per_class(torch.from_numpy(prediction), torch.from_numpy(reference), CLASSES)
    for case in range(3):
        for value in range(CLASSES):
            literal = dice(prediction[case] == value, reference[case] == value)
            assert found[case, value] == pytest.approx(literal, abs=1e-12)


def test_a_class_of_one_map_scores_0_and_of_neither_nothing():
    prediction, reference = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    prediction[0, 0] = 1
    scores = dice_per_class(prediction.long(), reference.long(), CLASSES)[0]
    assert scores[0] == pytest.approx(2 * 4 / 12)
    assert scores[1] == 0
    assert scores[2:].isnan().all()


def test_no_cases():
    nothing = torch.zeros(0, 2, 2, 2).long()
    assert dice_per_class(nothing, nothing, CLASSES).shape == (0, CLASSES)
