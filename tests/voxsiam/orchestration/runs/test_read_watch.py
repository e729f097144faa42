import threading
from typing import Any

import pytest

from tests.voxsiam.orchestration.toy_study import ToyCases
from tests.voxsiam.training.toy import make_volume
from voxsiam.orchestration.runs.read_watch import SLOW_S, ReadWatch


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Slow(ToyCases):
    """Each read lasts so long on the clock; meanwhile the watch looks every second."""

    def __init__(self, clock, lasts_s):
        self.clock, self.lasts_s = clock, lasts_s
        self.watch: Any = None

    def __call__(self, case_id):
        for _ in range(self.lasts_s):
            self.clock.now += 1
            self.watch.look()
        return make_volume(case_id)


class Ahead(ToyCases):
    """Knows the order beforehand."""

    def in_order(self, case_ids):
        self.order = tuple(case_ids)
        return map(make_volume, case_ids)


@pytest.fixture
def watch_of():
    def build(lasts_s):
        clock, told, ends = Clock(), [], []
        cases: Any = Slow(clock, lasts_s)
        cases.watch = ReadWatch(cases, told.append, 60.0, lambda: ends.append(clock.now), clock)
        return cases.watch, told, ends

    return build


def test_a_quick_read_is_not_told(watch_of):
    watch, told, ends = watch_of(9)
    for case_id in "abc":
        assert watch(case_id).case_id == case_id
    assert told == ends == []


def test_a_slow_read_is_told_once_with_its_case(watch_of):
    watch, told, ends = watch_of(40)
    assert [volume.case_id for volume in watch.in_order("ab")] == ["a", "b"]
    assert told == [f"case '{case}' is being read for {SLOW_S:.0f} s by now" for case in "ab"]
    assert ends == []


def test_a_read_that_never_returns_ends_the_process(watch_of):
    watch, told, ends = watch_of(60)
    watch("a")
    assert ends == [60]
    assert told[-1] == "case 'a' was not read within 60 s: given up"


def test_what_lies_between_two_reads_is_none(watch_of):
    watch, told, _ = watch_of(1)
    volumes = watch.in_order("ab")
    next(volumes)
    watch._cases.clock.now += 1000  # the step is computed
    watch.look()
    next(volumes)
    assert told == []


def test_a_source_that_reads_ahead_is_told_the_order():
    cases = Ahead()
    watch = ReadWatch(cases, print, 60.0)
    assert [volume.case_id for volume in watch.in_order(("c", "a"))] == ["c", "a"]
    assert cases.order == ("c", "a")
    assert watch.native("a").label.shape == (32, 16, 16)


def test_it_looks_by_itself(monkeypatch):
    monkeypatch.setattr("voxsiam.orchestration.runs.read_watch.LOOK_EVERY_S", 0.001)
    monkeypatch.setattr("voxsiam.orchestration.runs.read_watch.SLOW_S", 0.0)
    seen, told = threading.Event(), []

    def tell(text):
        told.append(text)
        seen.set()

    class Held(ToyCases):
        def __call__(self, case_id):
            assert seen.wait(60)
            return make_volume(case_id)

    watch = ReadWatch(Held(), tell, 600.0)
    with watch.watching():
        watch("a")
    assert len(told) == 1
