"""A backup is restored, and people's later wishes still count: with a real copy of the database as the backup."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from psycopg import sql

from campaigns import erasing
from campaigns.models import Batch, Campaign, Message
from pushplatform.sites.models import Site
from subscribers import forgetting, upserting
from subscribers.models import ConsentRecord, Contact, Device, ErasedContact, Subscription
from subscribers.reconciling import differences
from tests.campaigns.shop import grant, linked_device, new_campaign, new_contact, new_message, new_site, withdraw
from tests.parts import database


@pytest.fixture
def shop(fresh_database: str, settings: Any, tmp_path: Path) -> Site:
    settings.PRIVACY_JOURNAL = str(tmp_path / "journal")
    return new_site()


@pytest.fixture
def backup(shop: Site) -> Callable[[], Callable[[], None]]:
    """`restore = backup()` keeps the database as it is; `restore()` brings that back."""

    def take() -> Callable[[], None]:
        now = str(connection.settings_dict["NAME"])
        _copy(now, f"{now}_backup")

        def restore() -> None:
            _copy(f"{now}_backup", now)

        return restore

    return take


def _copy(source: str, target: str) -> None:
    connection.close()
    with psycopg.connect(database.url_of("postgres"), autocommit=True) as server:
        server.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(target)))
        made = sql.SQL("create database {} template {}").format(sql.Identifier(target), sql.Identifier(source))
        server.execute(made)


def after_restore() -> str:
    out = StringIO()
    call_command("after_restore", stdout=out)
    return out.getvalue()


def test_whoever_was_erased_or_withdrew_after_the_backup_is_so_again(
    shop: Site, backup: Callable[[], Callable[[], None]]
) -> None:
    anna, ben = new_contact(shop, external_id="ANNA"), new_contact(shop, external_id="BEN")
    annas, bens, anonymous, own = (
        linked_device(anna, "offers"), linked_device(ben, "offers"), linked_device(ben, "offers"), linked_device(ben)
    )  # fmt: skip
    for device in (annas, bens, anonymous, own):
        _reachable(device)
    grant(ben, "order_updates")
    restore = backup()
    erasing.erase(shop, "ANNA", timezone.now())
    withdraw(ben, "order_updates")
    withdraw(bens, "offers")
    forgetting.forget_device(own, timezone.now())
    restore()
    assert Contact.objects.filter(site=shop).count() == 2
    said = after_restore()
    assert "erased again: 2" in said
    assert "withdrawn again: 2" in said
    assert not Contact.objects.filter(external_id="ANNA").exists()
    assert ErasedContact.objects.filter(site=shop).count() == 1
    statuses = {device.pk: device.status for device in Device.objects.all()}
    assert statuses == {annas.pk: 5, bens.pk: 1, anonymous.pk: 1, own.pk: 5}
    bit = 1 << shop.purposes.get(key="offers").bit
    assert {device.pk: bool(device.allowed & bit) for device in Device.objects.filter(contact=ben)} == {
        bens.pk: False,
        anonymous.pk: True,
    }
    line = ConsentRecord.objects.get(scope=2, subject_id=ben.pk, source="journal")
    assert line.purpose_id == shop.purposes.get(key="order_updates").pk
    assert len(differences()) == 0
    lines = ConsentRecord.objects.count()
    again = after_restore()
    assert "withdrawn again: 0" in again
    assert ConsentRecord.objects.count() == lines


def test_a_yes_given_after_the_no_of_the_journal_stands(shop: Site, backup: Callable[[], Callable[[], None]]) -> None:
    contact = new_contact(shop, external_id="ANNA")
    withdraw(contact, "offers")
    grant(contact, "offers")
    backup()()
    assert "withdrawn again: 0" in after_restore()


def test_whoever_was_brought_back_on_purpose_stays(shop: Site, backup: Callable[[], Callable[[], None]]) -> None:
    upserting.upsert(shop, "ANNA")
    erasing.erase(shop, "ANNA", timezone.now())
    upserting.upsert(shop, "ANNA", recreate=True)
    backup()()
    after_restore()
    assert Contact.objects.filter(site=shop, external_id="ANNA").exists()
    assert not ErasedContact.objects.exists()


def test_a_person_made_and_erased_after_the_backup_does_not_come_back_unasked(
    shop: Site, backup: Callable[[], Callable[[], None]]
) -> None:
    restore = backup()
    upserting.upsert(shop, "ANNA")
    erasing.erase(shop, "ANNA", timezone.now())
    restore()
    after_restore()
    assert ErasedContact.objects.filter(site=shop).count() == 1


def test_a_line_hits_nobody_who_got_the_same_number_since(shop: Site, backup: Callable[[], Callable[[], None]]) -> None:
    restore = backup()
    lost = new_contact(shop, external_id="LOST")
    withdraw(lost, "offers")
    erasing.erase(shop, "LOST", timezone.now())
    restore()
    other = new_contact(shop, external_id="OTHER")
    assert other.pk == lost.pk
    assert "that the backup does not have: 1" in after_restore()
    assert Contact.objects.filter(pk=other.pk).exists()
    assert not ConsentRecord.objects.filter(scope=2).exists()


def test_what_was_being_sent_is_cancelled_and_what_is_to_come_stays(shop: Site) -> None:
    now = timezone.now()
    campaign = new_campaign(shop)
    sending, paused, freezing, missed = (
        new_message(shop, campaign),
        new_message(shop, status=Message.Status.PAUSED),
        new_message(shop, status=Message.Status.FREEZING, freeze_end=100),
        new_message(shop, status=Message.Status.SCHEDULED, send_at=now - timedelta(minutes=1)),
    )
    to_come = new_message(shop, status=Message.Status.SCHEDULED, send_at=now + timedelta(days=1))
    over = new_message(shop, status=Message.Status.FINISHED, finished_at=now)
    batch = Batch.objects.create(
        message=sending, service=6, vapid_key_id=1, lane=2, device_ids=[1, 2], contact_ids=[0, 0], n=2,
        expires_at=now + timedelta(days=1),
    )  # fmt: skip
    late = Campaign.objects.create(
        site=shop, name="Missed", purpose=shop.purposes.get(key="offers"), status="scheduled", send_at=now
    )
    withdraw(new_contact(shop), "offers")  # there is a journal
    said = after_restore()
    assert "paused while the journal was read: 2 messages" in said
    assert "cancelled, because most of it was sent already: 4 messages" in said
    assert "drafts again, because their time has passed: 1 campaigns" in said
    cancelled = Message.objects.filter(status=Message.Status.CANCELLED)
    assert set(cancelled) == {sending, paused, freezing, missed}
    to_come.refresh_from_db()
    over.refresh_from_db()
    batch.refresh_from_db()
    campaign.refresh_from_db()
    late.refresh_from_db()
    assert (to_come.status, over.status) == (Message.Status.SCHEDULED, Message.Status.FINISHED)
    assert batch.state == Batch.State.DONE
    assert (campaign.status, late.status) == (Campaign.Status.CANCELLED, Campaign.Status.DRAFT)
    assert "0 messages" in after_restore()


def test_without_its_journal_it_does_nothing_and_says_so(shop: Site, settings: Any) -> None:
    message = new_message(shop)
    with pytest.raises(CommandError, match="There is no journal in"):
        after_restore()
    settings.PRIVACY_JOURNAL = "off"
    with pytest.raises(CommandError, match="--journal"):
        after_restore()
    message.refresh_from_db()
    assert message.status == Message.Status.SENDING


def _reachable(device: Device) -> None:
    Subscription.objects.create(
        device=device, site_id=device.site_id, endpoint="https://push.example/", endpoint_hash=str(device.pk).encode(),
        p256dh=b"p", auth=b"a", secret_hash=str(device.pk).encode(),
    )  # fmt: skip
