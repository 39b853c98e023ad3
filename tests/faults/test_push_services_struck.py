"""Push services that misbehave over HTTP/2, through the whole corridor: who was called how often, with what outcome.

What they do over HTTP/1.1 (garbage, resets, hanging, statuses) stands in tests/campaigns/test_answers.py.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import freezing, retries, sending
from campaigns.models import Batch, Delivery, Retry, ServiceState
from pushplatform.webpush.outcome import Outcome
from pushplatform.webpush.transport import Transport
from tests.campaigns.world import facts, reasons, totals
from tests.faults.running import Running
from tests.parts.many_devices import add_crowd

TIMEOUTS = 3, 2
"""Seconds for a connection, and for an answer after that: whoever is well keeps them on a busy machine too."""


@pytest.fixture
def corridor(begin_service, module_database, settings):
    """`corridor(devices, kinds=…)`: a launched campaign, and a transport that waits a few seconds for an answer."""
    settings.PUSH_CONNECT_TIMEOUT, settings.PUSH_ANSWER_TIMEOUT = TIMEOUTS
    opened = []

    def begin(devices, *, ca_file=None, **options):
        service = begin_service(**options)
        run = Running(service, add_crowd(service.base, devices, folder="p", linked=False), None)
        run.launch()
        for _ in freezing.freeze(run.message.pk):
            """Every step."""
        opened.append(trusting(ca_file or service.ca_file))
        return run, opened[0]

    yield begin
    for transport in opened:
        transport.close()


def trusting(ca_file):
    return Transport(connect_timeout=TIMEOUTS[0], answer_timeout=TIMEOUTS[1], allow_loopback=True, ca_file=ca_file)


def send(run, transport, clock=timezone.now):
    """Sends every Batch that can be claimed, and those which rest because their road was in trouble."""
    ready = Batch.objects.filter(message=run.message).exclude(state=Batch.State.DONE)
    for _ in range(10):
        ServiceState.objects.filter(vapid_key_id=run.crowd.key.pk).delete()  # the road is well again
        for batch_id in ready.order_by("pk").values_list("pk", flat=True):
            sending.send_batch(batch_id, transport, clock=clock)
    assert not ready.exists()


def send_retries(run, transport):
    """The same with what waits to be tried again, whenever that is, until nothing is left to do."""
    waiting = Retry.objects.filter(message_id=run.message.pk)
    for _ in range(10):
        ServiceState.objects.filter(vapid_key_id=run.crowd.key.pk).delete()
        waiting.update(not_before=timezone.now())
        retries.move_due(timezone.now())
        send(run, transport)
        if not waiting.exists():
            break
    run.message.refresh_from_db()
    assert run.message.finished_at


def calls(run):
    """How often each device was called, by its number."""
    return run.service.notes()["first"][: run.crowd.size]


BEHAVIOUR = {
    # kind: its calls, the final outcome, and the reason
    "201": (1, Outcome.ACCEPTED, None),
    "early": (1, Outcome.ACCEPTED, None),
    "endless": (1, Outcome.ACCEPTED, None),
    "huge": (1, Outcome.FAILED, "rejected"),
    "moved": (2, Outcome.ACCEPTED, None),
    "410": (1, Outcome.GONE, "device_gone"),
    "500": (2, Outcome.ACCEPTED, None),
    "rst": (2, Outcome.ACCEPTED, None),
    "hang": (2, Outcome.ACCEPTED, None),
    "goaway": (1, Outcome.ACCEPTED, None),
}


def test_each_misbehaviour_costs_its_own_device_at_most_a_second_try(corridor):
    kinds = list(BEHAVIOUR)
    run, transport = corridor(6 * len(kinds), kinds=kinds, times=1)
    send(run, transport)
    send_retries(run, transport)
    wanted = [BEHAVIOUR[kinds[number % len(kinds)]] for number in range(run.crowd.size)]
    assert calls(run) == [times for times, _, _ in wanted]
    found = Delivery.objects.filter(message_id=run.message.pk).order_by("device_id")
    assert [one.status for one in found] == [outcome for _, outcome, _ in wanted]
    assert reasons(run.message) == {"rejected": 6, "device_gone": 6}
    assert run.service.notes()["elsewhere"] == []  # nobody follows a redirect
    run.assert_exact()


def test_a_push_service_that_says_goodbye_again_and_again_loses_nobody(corridor):
    run, transport = corridor(100, kinds=["201"] * 24 + ["goaway"])
    send(run, transport)
    send_retries(run, transport)
    assert totals(run.message) == {"accepted": 100}
    assert calls(run) == [1] * 100  # what it had not looked at is sent again, and nothing else
    run.assert_exact()


def test_a_throttled_device_waits_as_long_as_it_is_told(corridor):
    run, transport = corridor(20, kinds=["throttled", "201"], times=1)
    send(run, transport)
    assert Retry.objects.filter(message_id=run.message.pk).count() + facts(run.message)["accepted"] == 20
    send_retries(run, transport)
    assert totals(run.message) == {"accepted": 20}
    assert max(calls(run)) <= 2
    run.assert_exact()


def test_connections_that_break_again_and_again_lose_nobody(corridor):
    run, transport = corridor(100, kinds=["201"] * 24 + ["reset"], times=1)
    send(run, transport)
    send_retries(run, transport)
    # Whoever was under way on such a connection may have been reached: once more, and no further.
    assert sum(totals(run.message).values()) == facts(run.message)["accepted"] == 100
    assert min(calls(run)) >= 1
    run.assert_exact()


def test_with_a_wrong_certificate_nothing_is_sent_and_all_is_tried_again(corridor, certify):
    other = certify("push.elsewhere.example", "localhost")
    run, distrusting = corridor(40, kinds=["201"], ca_file=other.file)
    ready = Batch.objects.filter(message=run.message)
    sending.send_batch(ready.get().pk, distrusting)
    assert run.service.notes()["posts"] == 0
    assert totals(run.message) == {}
    transport = trusting(run.service.ca_file)
    try:
        send_retries(run, transport)
    finally:
        transport.close()
    assert totals(run.message) == {"accepted": 40}
    assert calls(run) == [1] * 40
    run.assert_exact()


@pytest.mark.parametrize("hours", [-2, 2], ids=["back", "ahead"])
def test_a_clock_that_steps_while_a_batch_is_sent_doubles_and_loses_nothing(corridor, hours):
    run, transport = corridor(60, kinds=["201", "500"], times=1)

    def clock():
        stepped = run.service.notes()["posts"] > 20
        return timezone.now() + (timedelta(hours=hours) if stepped else timedelta())

    send(run, transport, clock)
    send_retries(run, transport)
    assert totals(run.message) == {"accepted": 60}
    assert sorted(set(calls(run))) == [1, 2]
    run.assert_exact()
