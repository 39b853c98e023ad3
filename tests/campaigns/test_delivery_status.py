"""The state machine of a delivery: whatever the order in which its reports come, it only moves forward."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.delivery_status import (
    IMPLIED,
    MOVES,
    OF_OUTCOME,
    OF_RECEIPT,
    STEPS,
    Status,
    Step,
    course,
    is_expired_unseen,
    moved,
)
from campaigns.models import ReceiptKind
from pushplatform.webpush.outcome import Outcome

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
REPORTS = tuple(OF_RECEIPT.values())
SIDE_ENDS = frozenset(Status) - frozenset(STEPS) - {Status.QUEUED}


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def test_the_tables_know_every_status_outcome_and_report() -> None:
    assert MOVES.keys() == set(Status)
    assert set(OF_OUTCOME) == set(Outcome) - {Outcome.RETRY}  # a retry is still queued
    assert set(OF_RECEIPT) == set(ReceiptKind) - {ReceiptKind.CONVERTED}  # said by the shop, not by the notification
    assert IMPLIED.keys() == set(STEPS)


def test_no_way_leads_back() -> None:
    def reachable(status: Status) -> set[Status]:
        found, waiting = set(), list(MOVES[status])
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += MOVES[one]
        return found

    assert all(status not in reachable(status) for status in Status)
    assert all(MOVES[status] <= frozenset(STEPS) - {Status.ACCEPTED} for status in SIDE_ENDS)


@pytest.mark.parametrize("seed", range(200))
def test_reports_in_any_order_doubled_or_missing_give_the_same_course_and_never_a_step_back(seed: int) -> None:
    chance = random.Random(seed)
    outcome = chance.choice([None, *OF_OUTCOME.values()])
    outcome_at = at(chance.randrange(10)) if outcome else None
    happened = chance.sample(REPORTS, chance.randrange(len(REPORTS) + 1))
    told = [(step, at(chance.randrange(10, 100))) for step in happened]
    courses = []
    for _ in range(5):
        heard = told + chance.choices(told, k=3 if told else 0)
        chance.shuffle(heard)
        reported: dict[Status, Step] = {}
        known: Status = course(outcome, outcome_at, {}).status
        for step, when in heard:
            reported.setdefault(step, Step(when))  # the first report of each kind is kept
            now = course(outcome, outcome_at, reported)
            assert now.status == known or now.status in MOVES[known]
            known = now.status
        courses.append(course(outcome, outcome_at, reported))
    assert all(one == courses[0] for one in courses)


def test_the_outcome_may_come_after_the_reports() -> None:
    before = course(None, None, {Status.SHOWN: Step(at(5))})
    assert before.status == Status.SHOWN
    assert before.steps[Status.ACCEPTED] == Step(at(5), implied=True)
    after = course(Status.ACCEPTED, at(3), {Status.SHOWN: Step(at(5))})
    assert (after.status, after.steps[Status.ACCEPTED]) == (Status.SHOWN, Step(at(3)))


def test_missing_steps_are_filled_with_the_time_of_the_first_that_tells_of_them_and_marked() -> None:
    found = course(Status.ACCEPTED, at(1), {Status.CLICKED: Step(at(9)), Status.CLOSED: Step(at(7))})
    assert found.status == Status.CLICKED
    assert found.steps == {
        Status.ACCEPTED: Step(at(1)),
        Status.RECEIVED: Step(at(7), implied=True),
        Status.SHOWN: Step(at(7), implied=True),
        Status.CLOSED: Step(at(7)),
        Status.CLICKED: Step(at(9)),
    }


@pytest.mark.parametrize("end", sorted(SIDE_ENDS))
def test_what_a_browser_shows_has_arrived_whatever_we_had_believed(end: Status) -> None:
    assert course(end, at(1), {}).status == end
    assert course(end, at(1), {Status.SHOWN: Step(at(5))}).status == Status.SHOWN


@pytest.mark.parametrize("end", sorted(SIDE_ENDS))
def test_an_end_is_an_end_for_us(end: Status) -> None:
    assert all(moved(end, other) == end for other in {*SIDE_ENDS, Status.ACCEPTED, Status.QUEUED})


def test_expired_unseen_is_accepted_and_never_fetched_in_time() -> None:
    accepted, received = course(Status.ACCEPTED, at(1), {}), course(Status.ACCEPTED, at(1), {Status.SHOWN: Step(at(2))})
    assert [is_expired_unseen(accepted, at(60), at(seconds)) for seconds in (59, 60, 61)] == [False, True, True]
    assert not is_expired_unseen(received, at(60), at(61))
    assert not is_expired_unseen(course(Status.FAILED, at(1), {}), at(60), at(61))
