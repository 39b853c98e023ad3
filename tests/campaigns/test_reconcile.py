"""`manage.py reconcile`: every counter of a message and its campaign is what the facts say, or it is mended."""

from __future__ import annotations

import logging
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from campaigns import control, finishing, reconciling, sending, tasks
from campaigns import retries as retrying
from campaigns.models import Batch, Breakdown, CampaignMinute, CampaignTotal, Delivery, Message, MessageTotal
from campaigns.receipt_tokens import Tokens, device_ref
from campaigns.receipts import Report, record_reports
from pushplatform.sites import public_ids
from subscribers.models import Device
from tests.campaigns.world import CONTENT, batch_ids, retries, send, sent_meanwhile, totals

if TYPE_CHECKING:
    from pushplatform.webpush.transport import Transport
    from tests.campaigns.world import World

NONE = "No differences: every counter is what the facts say.\n"
BUTTONS = CONTENT | {"actions": [{"action": "buy", "title": "Buy"}]}


def reconcile(message: Message | str, *options: str) -> str:
    """What the command says when it ends well."""
    out = StringIO()
    given = message if isinstance(message, str) else public_ids.encode("msg", message.pk)
    call_command("reconcile", given, *options, stdout=out)
    return out.getvalue()


def refused(message: Message | str, *options: str) -> tuple[str, str]:
    """What the command prints, and the sentence with which it ends in status 1."""
    out = StringIO()
    given = message if isinstance(message, str) else public_ids.encode("msg", message.pk)
    with pytest.raises(CommandError) as error:
        call_command("reconcile", given, *options, stdout=out)
    assert error.value.returncode == 1
    return out.getvalue(), str(error.value)


def report(message: Message, ref: int, *kinds: str, **values: Any) -> None:
    token = Tokens(bytes(message.site.receipt_secret), message.site_id).receipt(message.pk, ref)
    tally = record_reports([Report(token, kind, **values) for kind in kinds], timezone.now())
    assert tally.counted


def of_all_kinds(world: World, transport: Transport) -> Message:
    """A campaign with every outcome, a retry that is waiting, one that was repeated, and reports of every kind."""
    devices = world.devices(10)
    world.fault(410, 0)
    world.fault(400, 1)
    world.fault(429, 2, count=1, retry_after=7200)  # longer than the message lives
    world.fault(503, 4, count=1)
    message = world.launched(content=BUTTONS, options={"ttl": 3600})
    Device.objects.filter(pk=devices[3].pk).update(allowed=0)
    first, second, *_ = batch_ids(message)
    sending.send_batch(first, transport)
    sending.send_batch(second, transport)
    for batch_id, _ in retrying.move_due(timezone.now() + timedelta(minutes=10)):
        sending.send_batch(batch_id, transport)
    message.refresh_from_db()
    report(message, devices[4].pk, "received", "shown")
    report(message, devices[5].pk, "clicked", action="buy")
    report(message, devices[6].pk, "clicked")
    report(message, device_ref(bytes(message.ref_secret or b""), devices[7].pk, False), "closed")
    return message


@pytest.fixture
def message(world: World, transport: Transport, settings: Any) -> Message:
    """See `of_all_kinds`; cancelled before its last batch."""
    settings.PUSH_BATCH_SIZE = 4
    message = of_all_kinds(world, transport)
    control.cancel(message.pk, timezone.now())
    message.refresh_from_db()
    assert totals(message) == {"accepted": 4, "gone": 1, "failed": 1, "expired": 1, "skipped": 1, "cancelled": 2}
    assert message.finished_at is not None
    return message


def test_there_are_no_differences_after_a_campaign_with_every_outcome_and_report(message: Message) -> None:
    figures = Breakdown.objects.filter(campaign_id=message.campaign_id, dimension="button")
    assert {row.value: row.clicked for row in figures} == {"buy": 1, "": 1}
    assert reconcile(message) == NONE
    assert reconcile(message, "--repair") == NONE
    out = StringIO()
    call_command("reconcile", campaign=public_ids.encode("cmp", message.campaign_id or 0), stdout=out)
    assert out.getvalue() == NONE


def test_there_are_no_differences_while_a_retry_waits_and_a_batch_is_left(
    world: World, transport: Transport, settings: Any
) -> None:
    settings.PUSH_BATCH_SIZE = 2
    world.devices(4)
    world.fault(503, 0, count=1)
    message = world.launched()
    sending.send_batch(batch_ids(message)[0], transport)
    assert (retries(message), totals(message)) == (1, {"accepted": 1})
    assert reconcile(message) == NONE


def test_a_message_of_an_api_call_has_counters_of_its_own(world: World, transport: Transport) -> None:
    devices = world.devices(3)
    message = send(world.targeted(devices, [{}] * 3), transport)
    report(message, devices[0].pk, "clicked")
    assert reconcile(message) == NONE
    MessageTotal.objects.filter(message_id=message.pk).update(accepted=7, shown=0)
    printed, _ = refused(message)
    assert [line.split() for line in printed.splitlines()] == [
        ["table", "row", "figure", "counted", "facts"],
        ["message_total", "all", "accepted", "7", "3"],
        ["message_total", "all", "shown", "0", "1"],
    ]
    reconcile(message, "--repair")
    assert reconcile(message) == NONE


@pytest.mark.parametrize(
    ("table", "column", "chosen"),
    [
        (MessageTotal, "accepted", {"slot": 0}),
        (MessageTotal, "cancelled", {"slot": 0}),
        (CampaignTotal, "gone", {"slot": 3}),
        (CampaignMinute, "received", {}),
        (CampaignMinute, "cancelled", {}),
        (Breakdown, "accepted", {"dimension": "service"}),
        (Breakdown, "clicked", {"dimension": "button", "value": "buy"}),
    ],
)
def test_a_spoilt_counter_of_each_table_is_found_and_repaired(
    message: Message, table: Any, column: str, chosen: dict[str, Any]
) -> None:
    whose = {"message_id": message.pk} if table is MessageTotal else {"campaign_id": message.campaign_id}
    row = table.objects.filter(**whose, **chosen).first()
    before = getattr(row, column)
    table.objects.filter(pk=row.pk).update(**{column: before + 5})
    printed, sentence = refused(message)
    _, line = printed.splitlines()
    assert line.split()[0] == table._meta.db_table
    assert column in line.split()
    counted, facts = map(int, line.split()[-2:])
    assert counted == facts + 5
    assert sentence == "1 differences. `reconcile --repair` writes what the facts say."
    assert "Repaired 1 differences." in reconcile(message, "--repair")
    assert reconcile(message) == NONE


def test_counters_that_are_missing_are_made_again(message: Message) -> None:
    counted = totals(message)
    MessageTotal.objects.filter(message_id=message.pk).delete()
    CampaignMinute.objects.filter(campaign_id=message.campaign_id).delete()
    Breakdown.objects.filter(campaign_id=message.campaign_id, dimension__in=("service", "button")).delete()
    reconcile(message, "--repair")
    assert reconcile(message) == NONE
    assert totals(message) == counted


def test_what_the_facts_do_not_tell_is_shown_and_left(message: Message) -> None:
    browsers = Breakdown.objects.filter(campaign_id=message.campaign_id, dimension="browser")
    browsers.update(accepted=9)
    printed, sentence = refused(message, "--repair")
    assert printed.splitlines()[1].split() == ["breakdown", "browser", "accepted", "9", "4", "*"]
    assert "Not to be repaired" in printed
    assert sentence == "1 differences."
    assert browsers.get().accepted == 9


def test_a_device_that_was_lost_is_shown_and_not_made_up(world: World, transport: Transport) -> None:
    world.devices(3)
    message = send(world.launched(), transport)
    lost = Delivery.objects.filter(message_id=message.pk).order_by("device_id").first()
    assert lost is not None
    Delivery.objects.filter(pk=lost.pk).delete()
    printed, _ = refused(message)
    assert ["message", "all", "without", "outcome", "0", "1", "*"] in [line.split() for line in printed.splitlines()]


def test_a_message_that_a_wrong_figure_kept_open_ends_with_the_repair(world: World, transport: Transport) -> None:
    world.devices(2)
    message = world.launched()
    Message.objects.filter(pk=message.pk).update(targeted=3)
    assert send(message, transport).finished_at is None
    printed, _ = refused(message)
    assert printed.splitlines()[1].split() == ["message", "all", "targeted", "3", "2"]
    reconcile(message, "--repair")
    message.refresh_from_db()
    assert (message.status, message.targeted) == (Message.Status.FINISHED, 2)


@pytest.mark.parametrize("off", [-1, 1])
def test_a_message_ends_only_when_its_outcomes_are_all_that_was_targeted(
    world: World, transport: Transport, off: int
) -> None:
    world.devices(2)
    message = world.launched()
    Message.objects.filter(pk=message.pk).update(targeted=2 + off)
    send(message, transport)
    assert totals(message) == {"accepted": 2}
    assert finishing.finish_if_complete(message.pk, timezone.now()) is False
    assert message.pk not in finishing.complete_ids()
    Message.objects.filter(pk=message.pk).update(targeted=2)
    assert finishing.finish_if_complete(message.pk, timezone.now()) is True


def test_it_is_exact_and_repairs_while_the_message_is_being_sent(world: World, settings: Any) -> None:
    settings.PUSH_UNRECORDED_MAX = 5
    world.devices(60, mode="count")
    message = world.launched()
    [batch_id] = batch_ids(message)
    assert world.push.call("POST", "/faults", {"kind": "slow", "delay_ms": 400}).status_code == 201

    worker = sent_meanwhile(message, batch_id)
    CampaignTotal.objects.filter(campaign_id=message.campaign_id, slot=2).update(failed=11)
    assert "Repaired 1 differences." in reconcile(message, "--repair")
    looks = 0
    while worker.is_alive():
        assert reconcile(message) == NONE
        looks += 1
        if looks == 3:
            world.push.call("DELETE", "/faults")
    worker.join()
    assert looks > 1
    message.refresh_from_db()
    assert (message.status, totals(message)) == (Message.Status.FINISHED, {"accepted": 60})
    assert reconcile(message) == NONE


def test_while_a_message_is_being_cancelled_only_its_cancelled_are_left_out(
    world: World, transport: Transport, settings: Any
) -> None:
    settings.PUSH_BATCH_SIZE = 2
    world.devices(6)
    message = world.launched()
    first, second, _ = batch_ids(message)
    sending.send_batch(first, transport)
    lease_until = timezone.now() + timedelta(minutes=1)
    Batch.objects.filter(pk=second).update(state=Batch.State.LEASED, lease_until=lease_until)
    control.cancel(message.pk, timezone.now())
    assert totals(message) == {"accepted": 2, "cancelled": 2}
    assert reconcile(message) == NONE
    MessageTotal.objects.filter(message_id=message.pk, slot=0).update(gone=1)
    assert "Repaired 1 differences." in reconcile(message, "--repair")
    Batch.objects.filter(pk=second).update(lease_until=timezone.now() - timedelta(minutes=1))
    control.close_if_cancelled(message.pk, timezone.now())
    assert totals(message) == {"accepted": 2, "cancelled": 4}
    assert reconcile(message) == NONE


def test_the_night_logs_differences_of_the_last_two_days_as_errors_and_repairs_nothing(
    message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "campaigns.reconciling")
    tasks.reconcile_finished()
    assert not [one for one in caplog.messages if f"campaign {message.campaign_id}:" in one]
    CampaignTotal.objects.filter(campaign_id=message.campaign_id, slot=0).update(gone=5)
    CampaignTotal.objects.filter(campaign_id=message.campaign_id).exclude(slot=0).update(gone=0)
    tasks.reconcile_finished()
    found = f"campaign {message.campaign_id}: campaign_total all gone is 5 in the counters and 1 in the facts"
    assert [one for one in caplog.messages if f"campaign {message.campaign_id}:" in one] == [found]
    assert len(refused(message)[0].splitlines()) == 2
    caplog.clear()
    assert reconciling.reconcile_finished(timezone.now(), lambda: True) == 0  # its worker is asked to end
    assert found not in caplog.messages
    Message.objects.filter(pk=message.pk).update(finished_at=timezone.now() - timedelta(days=3))
    tasks.reconcile_finished()
    assert found not in caplog.messages
    reconcile(message, "--repair")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["msg_nonsense"], "There is no message msg_nonsense. Its id begins with msg_."),
        (["77"], "There is no message 77. Its id begins with msg_."),
        (["9" * 30], f"There is no message {'9' * 30}. Its id begins with msg_."),
        (["--campaign", "cmp_nonsense"], "There is no campaign cmp_nonsense. Its id begins with cmp_."),
        ([], "Name either a message (msg_…) or a campaign (--campaign cmp_…)."),
    ],
)
def test_an_id_that_is_unknown_is_named(world: World, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError) as error:
        call_command("reconcile", *arguments)
    assert str(error.value) == sentence


def test_numbers_are_taken_as_logs_and_addresses_have_them(message: Message) -> None:
    assert reconcile(str(message.pk)) == NONE
    assert reconcile("--campaign", str(message.campaign_id)) == NONE


def test_a_message_whose_facts_are_no_longer_kept_is_not_touched(message: Message, world: World) -> None:
    old = Message.objects.create(
        pk=1, site=world.site, purpose=world.offers, content=CONTENT, status=Message.Status.FINISHED, targeted=5,
        send_at=message.send_at, expires_at=message.expires_at, finished_at=timezone.now() - timedelta(days=400),
    )  # fmt: skip
    try:
        assert refused(old, "--repair")[1] == (
            "Its deliveries are too old and no longer kept; the counters are all there is."
        )
    finally:
        old.delete()
