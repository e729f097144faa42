import threading
import time

import pytest

from voxsiam_data.side_by_side import side_by_side


def test_results_stand_in_the_order_of_the_cases_whichever_is_done_first():
    second_is_done, steps = threading.Event(), []

    def square(number):
        if number == 1:
            assert second_is_done.wait(10)
        if number == 2:
            second_is_done.set()
        return number**2

    told = side_by_side(square, [1, 2, 3], 2, lambda *step: steps.append(step))
    assert told == [1, 4, 9]
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert side_by_side(square, [], 2) == []


def test_the_first_error_ends_it():
    begun = []

    def fail(number):
        begun.append(number)
        time.sleep(0.01)
        raise ValueError(f"case {number}")

    with pytest.raises(ValueError, match="case 0"):
        side_by_side(fail, range(1000), 1)
    assert len(begun) < 1000
