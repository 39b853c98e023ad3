"""Which queue a poke goes to, read back from a real (in-memory) broker."""

import queue

import pytest

from campaigns import tasks
from pushplatform.celery import app


def waiting(name: str) -> list[int]:
    """The ids of the tasks in a queue, which is empty afterwards."""
    found = []
    with app.connection_for_write() as connection:
        box = connection.SimpleQueue(name)
        while True:
            try:
                message = box.get(block=False)
            except queue.Empty:
                return found
            message.ack()
            found.append(message.payload[0][0])


@pytest.fixture(autouse=True)
def empty_queues():
    for name in ("campaign", "targeted", "chores"):
        waiting(name)


def test_a_poke_without_a_queue_goes_where_the_chores_are():
    tasks.freeze_message.poke(7, 8)
    assert (waiting("chores"), waiting("campaign"), waiting("targeted")) == ([7, 8], [], [])


def test_a_poke_goes_where_it_is_told():
    tasks.send_batch.poke(9, queue="targeted")
    assert (waiting("targeted"), waiting("campaign"), waiting("chores")) == ([9], [], [])


def test_a_batch_that_is_sent_plainly_waits_in_the_campaigns_queue():
    tasks.send_batch.delay(10)
    assert (waiting("campaign"), waiting("targeted"), waiting("chores")) == ([10], [], [])
