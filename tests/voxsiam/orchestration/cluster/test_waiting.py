import threading

import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.cluster import waiting
from voxsiam.orchestration.cluster.waiting import (
    ALONE_S,
    FIRST_WORD_S,
    NEXT_WORD_S,
    PATIENCE_SETTING,
    Wait,
    WaitedTooLongError,
    waited_for,
)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.delenv(PATIENCE_SETTING, raising=False)
    return Clock()


def look_for(wait, clock, seconds):
    """Look once a second; return when it was ended."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 1
        wait.look()


def test_a_wait_is_told_after_ten_seconds_and_every_three_minutes(clock, caplog):
    wait = Wait("2 CPU", lambda: ["job 7 holds 2 CPU"], clock)
    look_for(wait, clock, FIRST_WORD_S - 1)
    assert caplog.messages == []
    look_for(wait, clock, 2 * NEXT_WORD_S)
    assert caplog.messages == [
        "waiting for 2 CPU, 10 s by now: job 7 holds 2 CPU",
        "waiting for 2 CPU, 190 s by now: job 7 holds 2 CPU",
    ]


def test_a_wait_on_which_somebody_works_has_no_end(clock):
    look_for(Wait("2 CPU", lambda: ["job 7 holds 2 CPU"], clock), clock, 100 * ALONE_S)


def test_a_wait_of_which_nobody_knows_who_works_has_no_end(clock):
    look_for(Wait("volumes", lambda: None, clock), clock, 100 * ALONE_S)


def test_a_wait_on_which_nobody_works_ends_after_ten_minutes_of_that(clock, caplog):
    until = 300
    who = lambda: ["job 7 holds 2 CPU"] if clock.now < until else []  # noqa: E731
    wait = Wait("2 CPU", who, clock)
    with pytest.raises(WaitedTooLongError, match="nobody works on it") as caught:
        look_for(wait, clock, 10 * ALONE_S)
    assert until + ALONE_S - FIRST_WORD_S <= clock.now <= until + ALONE_S + FIRST_WORD_S
    assert "what is finished is kept" in caught.value.what
    assert caught.value.where == "--patience"


def test_patience_ends_any_wait(clock, monkeypatch):
    monkeypatch.setenv(PATIENCE_SETTING, "60")
    wait = Wait("2 CPU", lambda: ["job 7 holds 2 CPU"], clock)
    with pytest.raises(WaitedTooLongError, match="job 7") as caught:
        look_for(wait, clock, 1000)
    assert clock.now == 60
    assert caught.value.where == "--patience 60"


@pytest.mark.parametrize("setting", ["", "soon", "-5", "0", "nan", "1e3", "inf"])
def test_a_patience_that_is_no_time_is_refused(monkeypatch, setting):
    monkeypatch.setenv(PATIENCE_SETTING, setting)
    with pytest.raises(UserError, match="time that a wait may last"):
        Wait("2 CPU", lambda: None)


def test_the_answer_of_a_call_comes_back_and_its_error_too(clock):
    assert waited_for(lambda: 7, "seven") == 7

    def fail():
        raise UserError("no", where="there", fix="none")

    with pytest.raises(UserError, match="no"):
        waited_for(fail, "seven")


def test_a_call_that_never_answers_is_told_and_given_up(clock, monkeypatch, caplog):
    monkeypatch.setenv(PATIENCE_SETTING, "30")
    monkeypatch.setattr(waiting, "_LOOK_EVERY_S", 0.001)

    def look():
        clock.now += 1
        return clock.now

    never = threading.Event()
    with pytest.raises(WaitedTooLongError):
        waited_for(never.wait, "an answer", lambda: ["node 3"], look)
    never.set()
    assert caplog.messages[0].startswith("waiting for an answer, 10 s by now: node 3")
