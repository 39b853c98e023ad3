"""Clocks that step. What a stepping clock does to a Batch stands in test_push_services_struck.py."""

import shelve
from datetime import UTC, datetime, timedelta

from celery.schedules import schedule

from pushplatform.schedules import Every
from tests.localpush.conftest import eventually

MINUTE = timedelta(minutes=1)


def test_beat_goes_on_though_it_last_ran_in_the_future(begin_stack):
    stack = begin_stack(beat=True)

    def sweeps():
        return stack.log("beat").count("Sending due task sweep")

    eventually(sweeps)
    stack.children["beat"].stop()
    before = sweeps()
    with shelve.open(str(stack.folder / "beat-schedule"), writeback=True) as kept:
        for entry in kept["entries"].values():
            entry.last_run_at = datetime.now(UTC) + timedelta(hours=3)  # then the clock was set right
    stack.children["beat"].start()
    eventually(lambda: sweeps() > before)


def test_what_ran_in_the_future_is_due_and_what_ran_just_now_is_not():
    now = datetime.now(UTC)
    every = Every(MINUTE, nowfun=lambda: now)
    assert every.is_due(now + timedelta(hours=1)) == schedule(MINUTE, nowfun=lambda: now).is_due(now - MINUTE)
    assert not every.is_due(now - MINUTE / 2).is_due
    assert every.is_due(now - MINUTE).is_due
