"""Behaviour that a CRM reports, over real HTTP."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pushplatform.sites.models import Site
from subscribers import events
from subscribers.models import Behaviour, Contact
from tests.api.over_http import Crm, problem
from tests.campaigns.shop import new_contact, new_site

AT = (timezone.now() - timedelta(days=3)).isoformat(timespec="seconds")


@pytest.fixture
def contact(shop: Site) -> Contact:
    return new_contact(shop, external_id="A")


def event(**members: Any) -> dict[str, Any]:
    return {"external_id": "A", "name": "cart_abandoned", "occurred_at": AT, "id": "e-1", **members}


def send(crm: Crm, *given: Any) -> list[dict[str, Any]]:
    answer = crm.post("events", {"events": list(given)})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def stored(shop: Site) -> int:
    return Behaviour.objects.filter(site_id=shop.pk).count()


def test_an_event_is_stored_once_however_often_it_is_sent(crm: Crm, shop: Site, contact: Contact) -> None:
    given = event(properties={"total": 99.5, "items": [{"sku": "x"}]})
    assert send(crm, given) == [{"external_id": "A", "id": "e-1", "status": "stored"}]
    assert send(crm, given, given)[0]["status"] == "duplicate"
    assert send(crm, given | {"occurred_at": timezone.now().isoformat()})[0]["status"] == "duplicate"
    found = Behaviour.objects.get(site_id=shop.pk)
    assert (found.contact_id, found.device_id, found.name) == (contact.pk, None, "cart_abandoned")
    assert found.properties == {"total": 99.5, "items": [{"sku": "x"}]}
    assert found.occurred_at.isoformat(timespec="seconds") == AT


def test_the_same_id_at_once_is_stored_once(crm: Crm, shop: Site, contact: Contact) -> None:
    with ThreadPoolExecutor(8) as threads:
        words = [one[0]["status"] for one in threads.map(lambda _: send(crm, event()), range(24))]
    assert sorted(set(words)) == ["duplicate", "stored"]
    assert words.count("stored") == stored(shop) == 1


def test_without_an_id_each_call_is_a_new_event_of_now(crm: Crm, shop: Site, contact: Contact) -> None:
    for _ in range(2):
        assert send(crm, {"external_id": "A", "name": "visit"}) == [{"external_id": "A", "status": "stored"}]
    assert stored(shop) == 2
    newest = Behaviour.objects.filter(site_id=shop.pk).order_by("-occurred_at").first()
    assert newest is not None
    assert timezone.now() - newest.occurred_at < timedelta(minutes=1)


def test_another_sites_id_is_another_event(crm: Crm, shop: Site, contact: Contact, web: Any) -> None:
    other = new_site()
    new_contact(other, external_id="A")
    send(crm, event())
    assert send(Crm(web.web_url, other), event())[0]["status"] == "stored"


def test_items_are_independent_and_answered_in_their_order(crm: Crm, shop: Site, contact: Contact) -> None:
    long_ago, soon = timezone.now() - timedelta(days=366), timezone.now() + timedelta(hours=1)
    wrong: list[tuple[Any, str]] = [
        (event(external_id="NOBODY"), "/events/{}/external_id"),
        (event(external_id=None), "/events/{}/external_id"),
        (event(external_id="e\u0301"), "/events/{}/external_id"),
        (event(name="no good"), "/events/{}/name"),
        (event(name=None), "/events/{}/name"),
        (event(occurred_at=long_ago.isoformat()), "/events/{}/occurred_at"),
        (event(occurred_at=soon.isoformat()), "/events/{}/occurred_at"),
        (event(occurred_at=None), "/events/{}/occurred_at"),
        (event(occurred_at="0001-01-01T00:00:00+14:00"), "/events/{}/occurred_at"),
        (event(properties=[]), "/events/{}/properties"),
        (event(properties={"x": "y" * 9000}), "/events/{}/properties"),
        (event(properties={f"p{n}": n for n in range(101)}), "/events/{}/properties"),
        (event(properties={"a": {"a": {"a": {"a": {"a": {}}}}}}), "/events/{}/properties"),
        (event(id=""), "/events/{}/id"),
        (event(id=7), "/events/{}/id"),
        (event(value=7), "/events/{}/value"),
        ("no object", "/events/{}"),
    ]
    results = send(crm, event(), *(given for given, _ in wrong), event(id="e-2"))
    assert [one["status"] for one in results] == ["stored", *["failed"] * len(wrong), "stored"]
    found = [[error["pointer"] for error in one["errors"]] for one in results[1:-1]]
    assert found == [[pointer.format(no)] for no, (_, pointer) in enumerate(wrong, 1)]
    assert results[1]["code"] == "unknown_contact"
    assert stored(shop) == 2


@pytest.mark.parametrize("body", [{}, {"events": []}, {"events": "x"}])
def test_a_body_without_events_is_refused(crm: Crm, body: Any) -> None:
    problem(crm.post("events", body), 422, "invalid_request", "/events")


def test_a_thousand_are_taken_and_one_more_is_not(crm: Crm, shop: Site, contact: Contact) -> None:
    thousand = [event(id=f"e-{n}") for n in range(1000)]
    problem(crm.post("events", {"events": [*thousand, event()]}), 422, "too_many_items", "/events")
    assert crm.post("events", {"events": thousand}).json()["counts"] == {"stored": 1000}
    assert stored(shop) == 1000


def test_a_thousand_events_take_as_many_queries_as_two(shop: Site, contact: Contact) -> None:
    def queries(number: int) -> int:
        made = [
            events.Event("visit", "{}", timezone.now(), f"q{number}-{n}", contact_id=contact.pk) for n in range(number)
        ]
        with CaptureQueriesContext(connection) as caught:
            assert set(events.store(shop.pk, made)) == {"stored"}
        return len(caught)

    assert queries(1000) == queries(2)
