"""POST /messages to an audience of segments, and with a campaign's texts."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns import freezing, sweep
from campaigns.models import Batch, Campaign, Lane, Message
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import Device, Segment
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import new_campaign, new_client, new_person, new_site

pytestmark = pytest.mark.django_db
EVERYONE: dict[str, Any] = {"all": []}


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site))


def segment(site: Site, definition: dict[str, Any] = EVERYONE, **values: Any) -> str:
    made = Segment.objects.create(site=site, name=f"Segment {Segment.objects.count()}", definition=definition, **values)
    return public_ids.encode("seg", made.pk)


def body(*segments: str, **members: Any) -> dict[str, Any]:
    content = {"title": "Hello"}
    return {"audience": {"segments": list(segments)}, "purpose": "order_updates", "content": content, **members}


def frozen(message: Message) -> set[int]:
    """The devices of a message whose freezing is carried to its end."""
    for _ in freezing.freeze(message.pk):
        pass
    return {id_ for batch in Batch.objects.filter(message=message, lane=Lane.CAMPAIGN) for id_ in batch.device_ids}


def test_an_audience_of_segments_is_frozen_in_the_background(crm: Caller, site: Site) -> None:
    (anna,) = new_person(site, "ANNA", "order_updates", form="mobile")
    (ben,) = new_person(site, "BEN", "order_updates", form="desktop")
    new_person(site, "CARL")  # never agreed
    asked = body(segment(site), correlation_id="deal-42")
    asked["audience"]["exclude"] = [
        segment(site, {"all": [{"field": "device.form", "op": "eq", "value": "mobile"}]}),
    ]
    answer = crm.post("messages", asked)
    assert answer.status_code == 202
    got = answer.json()
    message = Message.objects.get()
    assert got == {
        "id": public_ids.encode("msg", message.pk),
        "status": "queued",
        "recipients_queued": None,
        "recipients_skipped": None,
        "devices_queued": None,
        "correlation_id": "deal-42",
    }
    assert frozen(message) == {ben.pk}
    shown = crm.get(f"messages/{got['id']}").json()
    assert (shown["status"], shown["statistics"]["targeted"], shown["people"]["targeted"]) == ("queued", 1, 1)
    assert anna.pk not in frozen(message)


def test_a_scheduled_audience_is_worked_out_when_it_is_due(crm: Caller, site: Site) -> None:
    at = timezone.now() + timedelta(days=30) - timedelta(minutes=1)
    assert crm.post("messages", body(segment(site), send_at=at.isoformat())).json()["status"] == "scheduled"
    message = Message.objects.get()
    (late,) = new_person(site, "ANNA", "order_updates")
    sweep.begin_scheduled(at - timedelta(seconds=1))
    assert not frozen(message)
    due = sweep.sweep(at)
    assert due.freezing == [message.pk]
    assert frozen(message) == {late.pk}


def test_a_scheduled_audience_can_be_cancelled(crm: Caller, site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    at = timezone.now() + timedelta(hours=1)
    sent = crm.post("messages", body(segment(site), send_at=at.isoformat())).json()["id"]
    assert crm.post(f"messages/{sent}/cancel", {}).json()["status"] == "cancelled"
    assert sweep.sweep(at + timedelta(seconds=1)).freezing == []
    assert Message.objects.get().finished_at is not None


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("all", {0, 1}),
        ("latest", {1}),
        ({"form": ["mobile"]}, {0}),
        ({"form": ["mobile", "desktop"], "browser": ["chrome"]}, {1}),
    ],
)
def test_the_device_rule_counts_in_an_audience_too(crm: Caller, site: Site, rule: Any, wanted: set[int]) -> None:
    first, second = new_person(site, "ANNA", "order_updates", devices=2)
    now = timezone.now()
    for device, form, browser, seen in ((first, "mobile", "firefox", 9), (second, "desktop", "chrome", 1)):
        last_seen_at = now - timedelta(days=seen)
        Device.objects.filter(pk=device.pk).update(form=form, browser=browser, last_seen_at=last_seen_at)
    assert crm.post("messages", body(segment(site), devices=rule)).status_code == 202
    assert frozen(Message.objects.get()) == {(first.pk, second.pk)[number] for number in wanted}


def test_what_is_wrong_with_an_audience_is_named(crm: Caller, site: Site) -> None:
    theirs, known = segment(new_site("Other")), segment(site)
    gone = segment(site, archived=True)
    broken = segment(site, {"all": [{"field": "contact.unheard_of", "op": "eq", "value": 1}]})
    wrong: list[tuple[dict[str, Any], str, list[str]]] = [
        ({"audience": {}}, "invalid_request", ["/audience/segments"]),
        ({"audience": []}, "invalid_request", ["/audience", "/audience/segments"]),
        ({"audience": {"segments": []}}, "invalid_request", ["/audience/segments"]),
        ({"audience": {"segments": [known] * 21}}, "invalid_request", ["/audience/segments"]),
        ({"audience": {"segments": [known], "exlude": []}}, "invalid_request", ["/audience/exlude"]),
        ({"audience": {"segments": [7]}}, "unknown_segment", ["/audience/segments/0"]),
        ({"audience": {"segments": [known, theirs]}}, "unknown_segment", ["/audience/segments/1"]),
        ({"audience": {"segments": [known], "exclude": [gone]}}, "unknown_segment", ["/audience/exclude/0"]),
        ({"audience": {"segments": [broken]}}, "broken_segment", ["/audience"]),
        ({"recipients": [{"external_id": "ANNA"}]}, "invalid_request", ["/audience"]),
        ({"devices": {"ids": ["dev_x"]}}, "invalid_request", ["/devices"]),
        ({"devices": {"browser": ["nonesuch"]}}, "invalid_request", ["/devices"]),
    ]
    for members, code, pointers in wrong:
        assert_problem(crm.post("messages", body(known) | members), 422, code, *pointers)
    assert not Message.objects.exists()


# --- a campaign's texts


def with_campaign(campaign: Campaign, *recipients: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"recipients": list(recipients), "campaign": public_ids.encode("cmp", campaign.pk), **members}


def campaign_of(site: Site, **values: Any) -> Campaign:
    campaign = new_campaign(site)
    Campaign.objects.filter(pk=campaign.pk).update(
        **{"content": {"title": "Hello {{ params.name }}"}, "status": Campaign.Status.DRAFT, **values}
    )
    return campaign


def test_a_campaigns_texts_are_filled_with_params_and_its_purpose_comes_along(crm: Caller, site: Site) -> None:
    new_person(site, "ANNA", "offers")
    new_person(site, "BEN", "order_updates")
    campaign = campaign_of(site)
    asked = with_campaign(campaign, {"external_id": "ANNA", "params": {"name": "Anna"}}, {"external_id": "BEN"})
    sent = crm.post("messages", asked).json()
    assert [one.get("reason") for one in sent["results"]] == [None, "consent_missing"]
    message = Message.objects.get()
    assert (message.content, message.purpose.key) == ({"title": "Hello {{ params.name }}"}, "offers")
    assert crm.get(f"messages/{sent['id']}").json()["campaign"] == public_ids.encode("cmp", campaign.pk)
    Campaign.objects.filter(pk=campaign.pk).update(content={"title": "Changed"})
    message.refresh_from_db()
    assert message.content["title"] == "Hello {{ params.name }}"
    assert crm.post("messages", asked | {"purpose": "offers"}).status_code == 202


def test_a_call_with_a_campaigns_texts_is_no_launch_of_it(crm: Caller, site: Site) -> None:
    new_person(site, "ANNA", "offers")
    campaign = campaign_of(site)
    crm.post("messages", with_campaign(campaign, {"external_id": "ANNA"}))
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT
    assert not campaign.messages.exists()


def test_what_is_wrong_with_a_campaign_is_named(crm: Caller, site: Site) -> None:
    anna = {"external_id": "ANNA"}
    good, theirs = campaign_of(site), campaign_of(new_site("Other"))
    empty, cancelled = campaign_of(site, content={}), campaign_of(site, status=Campaign.Status.CANCELLED)
    wrong: list[tuple[dict[str, Any], str, str]] = [
        (with_campaign(theirs, anna), "unknown_campaign", "/campaign"),
        (with_campaign(good, anna) | {"campaign": "cmp_x"}, "unknown_campaign", "/campaign"),
        (with_campaign(empty, anna), "campaign_not_ready", "/campaign"),
        (with_campaign(cancelled, anna), "campaign_not_ready", "/campaign"),
        (with_campaign(good, anna, purpose="order_updates"), "other_purpose", "/purpose"),
        (with_campaign(good, anna, content={"title": "Hello"}), "invalid_request", "/campaign"),
    ]
    for asked, code, pointer in wrong:
        assert_problem(crm.post("messages", asked), 422, code, pointer)
    site.purposes.filter(key="offers").update(archived=True)
    assert_problem(crm.post("messages", with_campaign(good, anna)), 422, "unknown_purpose", "/campaign")
    assert not Message.objects.exists()
