"""F8: with an object store below the size of the data, volumes come on, late perhaps, and right."""

import json

import pytest

from tests.own_host import on_a_host_of_its_own

LONGEST_WAIT_S = 120


@pytest.mark.slow
@pytest.mark.attempts(short=1, full=3)
def test_more_data_than_the_store_holds_neither_hangs_nor_harms(attempt, child, tmp_path, measured):
    lines = child("small_store", tmp_path, before=on_a_host_of_its_own()).splitlines()
    found = json.loads(lines[-1])
    assert found["bytes"] > found["store"]
    assert found["is_streamed"], "what does not fit half of the store is streamed"
    for way in ("streamed", "shared"):
        assert found[way]["equal"] == 130, way
        assert found[way]["longest_wait_s"] < LONGEST_WAIT_S
    assert found["shared_s"] < LONGEST_WAIT_S
    measured(**found)
