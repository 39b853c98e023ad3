"""The ledger can only grow, wordings stay as they are, and what follows from the ledger can be worked out again."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError

from subscribers import ledger, purposes
from subscribers.errors import Invalid
from subscribers.ledger import Decided
from subscribers.models import ConsentRecord, ConsentState, Decision, Device, Scope, Wording
from tests.subscribers.people import new_contact, new_device, wording_of


@pytest.fixture
def device(site, purpose, now) -> Device:
    """One that has said yes to offers."""
    device, offers = new_device(site), purpose("offers")
    wording = wording_of(offers).id
    ledger.record([Decided(site.id, Scope.DEVICE, device.id, offers.id, Decision.GRANTED, "test", wording)], now)
    device.refresh_from_db()
    return device


def partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("select inhrelid::regclass::text from pg_inherits where inhparent = 'consent_record'::regclass")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize("statement", ["update {} set decision = 1", "delete from {}", "truncate {}"])
def test_lines_of_the_ledger_are_never_changed(device, statement):
    month = [name for name in partitions() if name != "consent_record"]
    assert len(month) >= 4
    with connection.cursor() as cursor:
        cursor.execute("select tableoid::regclass::text from consent_record")
        used = cursor.fetchone()[0]
    for table in ("consent_record", used, *(month if statement.startswith("truncate") else ())):
        with (
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement.format(table))
    assert ConsentRecord.objects.filter(subject_id=device.id).count() == 1


def test_a_wording_is_never_changed(site, purpose):
    wording = wording_of(purpose("offers"))
    wording.text = "You agreed to everything."
    with pytest.raises(ValidationError, match="never changed"):
        wording.save()
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        Wording.objects.filter(id=wording.id).update(text="You agreed to everything.")
    with pytest.raises(Invalid):
        purposes.add_translation(purpose("offers"), 1, "en", "Other words")
    purposes.add_translation(purpose("offers"), 1, "de", "Schickt mir Angebote.")
    assert Wording.objects.filter(purpose=purpose("offers"), version=1).count() == 3


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"key": "Offers!"}, "/key"),
        ({"key": "offers"}, "/key"),
        ({"kind": "spam"}, "/kind"),
        ({"title": " "}, "/title"),
        ({"wording": {}}, "/wording"),
        ({"wording": {"en": " "}}, "/wording/en"),
        ({"wording": {"no language": "Yes."}}, "/wording"),
    ],
)
def test_a_purpose_that_cannot_be_is_refused_by_name(site, given, pointer):
    sound = {"key": "news", "kind": "marketing", "title": "News", "wording": {"en": "Send me news."}}
    with pytest.raises(Invalid) as refused:
        purposes.add(site, **(sound | given))
    assert [fault.pointer for fault in refused.value.errors] == [pointer]
    assert not site.purposes.filter(key="news").exists()


def test_the_purposes_of_every_site_have_fixed_bits(site):
    assert purposes.add_site_defaults(site) == list(site.purposes.filter(bit__lt=2).order_by("bit"))
    assert list(site.purposes.order_by("bit").values_list("bit", "key")) == [
        (0, "personal_data"),
        (1, "measurement"),
        (2, "offers"),
        (3, "order_updates"),
    ]


def test_reconciling_finds_nothing_where_nothing_is_wrong(device, capsys):
    call_command("reconcile_consents")
    assert "No differences" in capsys.readouterr().out


def test_reconciling_finds_and_repairs_whatever_is_not_as_the_ledger_says(site, device, purpose, capsys):
    right = device.allowed
    stranger = new_device(site, allowed=4)
    linked = new_device(site, contact=new_contact(site))
    Device.objects.filter(id=device.id).update(allowed=8)
    ConsentState.objects.filter(subject_id=device.id).update(decision=Decision.WITHDRAWN)
    ConsentState.objects.create(
        scope=Scope.DEVICE,
        subject_id=stranger.id,
        purpose_id=purpose("offers").id,
        decision=Decision.GRANTED,
        at=device.subscribed_at,
    )
    with pytest.raises(CommandError, match="5 differences"):
        call_command("reconcile_consents")
    said = capsys.readouterr().out
    assert f"device {device.id}: the newest decision about offers" in said
    assert f"device {device.id} (dev_" in said
    assert "allowed is 1000, the ledger says 100" in said
    assert f"device {linked.id} (dev_" in said
    assert Device.objects.get(id=device.id).allowed == 8, "without --repair nothing is written"

    call_command("reconcile_consents", "--repair")
    assert Device.objects.get(id=device.id).allowed == right
    assert Device.objects.get(id=stranger.id).allowed == 0
    assert Device.objects.get(id=linked.id).contact_id is None
    call_command("reconcile_consents")
    assert "No differences" in capsys.readouterr().out
