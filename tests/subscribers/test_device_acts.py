"""What pages tell of a browser: tags, events, and that the person wants it erased."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.models import Message, Recipient
from pushplatform.sites.models import Site
from subscribers import identity
from subscribers.models import Behaviour, ConsentEvidence, ConsentRecord, Contact, Device, PageTag, Subscription
from subscribers.reconciling import differences
from tests.campaigns.shop import new_message
from tests.subscribers.browsers import Browser, problem_of


@pytest.fixture
def browser(site: Site) -> Browser:
    made = Browser(site)
    made.register({"offers": "granted", "measurement": "granted"})
    return made


def sign_in(browser: Browser, external_id: str) -> None:
    issued_at = int(timezone.now().timestamp())
    signature = identity.signature_of(browser.site, external_id, issued_at)
    browser.act("POST", "consents", consents=browser.decisions({"personal_data": "granted"}))
    answer = browser.act("POST", "identity", external_id=external_id, issued_at=issued_at, signature=signature)
    assert answer.status_code == 200, answer.content


# --- tags


def test_pages_set_the_tags_that_the_site_allows(browser: Browser, site: Site) -> None:
    PageTag.objects.bulk_create([PageTag(site=site, tag=tag) for tag in ("vip", "bikes")])
    answer = browser.act("POST", "tags", add=["vip", "bikes", "vip"])
    assert (answer.status_code, answer.json()) == (200, {"tags": ["bikes", "vip"]})
    assert browser.act("POST", "tags", remove=["bikes", "unknown"]).json() == {"tags": ["vip"]}
    assert browser.device.tags == ["vip"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"add": ["staff"]}, ("/add/0", "tag_not_allowed")),
        ({"add": "vip"}, ("/add", "invalid_type")),
        ({"add": ["x" * 65]}, ("/add/0", "invalid_tag")),
        ({"remove": [1]}, ("/remove/0", "invalid_tag")),
        ({"set": ["vip"]}, ("/set", "unknown_field")),
    ],
)
def test_other_tags_are_refused(
    browser: Browser, site: Site, other_site: Site, body: dict[str, Any], error: tuple[str, str]
) -> None:
    PageTag.objects.create(site=site, tag="vip")
    PageTag.objects.create(site=other_site, tag="staff")
    assert problem_of(browser.act("POST", "tags", **body)) == (422, "invalid_request", [error])
    assert browser.device.tags == []


# --- events


def send(browser: Browser, *events: Any) -> list[str]:
    answer = browser.act("POST", "events", events=list(events))
    assert answer.status_code == 200, answer.content
    return [one["status"] for one in answer.json()["results"]]


def test_an_event_of_a_page_is_stored_for_the_browser_and_its_person(browser: Browser, site: Site) -> None:
    sign_in(browser, "CRM-1")
    at = (timezone.now() - timedelta(minutes=2)).isoformat()
    event = {"name": "product_viewed", "properties": {"sku": "mug"}, "occurred_at": at, "id": "v-1"}
    assert send(browser, event) == ["stored"]
    assert send(browser, event) == ["duplicate"]
    found = Behaviour.objects.get(site_id=site.pk)
    assert (found.device_id, found.contact_id) == (browser.device.pk, Contact.objects.get(site=site).pk)
    assert found.properties == {"sku": "mug"}


def test_two_browsers_may_use_the_same_id(browser: Browser, site: Site) -> None:
    other = Browser(site)
    other.register({"measurement": "granted"})
    event = {"name": "visit", "occurred_at": timezone.now().isoformat(), "id": "1"}
    assert send(browser, event) == send(other, event) == ["stored"]


def test_whoever_did_not_agree_to_be_measured_is_not(site: Site) -> None:
    quiet = Browser(site)
    quiet.register({"offers": "granted"})
    assert send(quiet, {"name": "visit"}) == ["not_measured"]
    assert not Behaviour.objects.filter(site_id=site.pk).exists()
    Site.objects.filter(pk=site.pk).update(measurement=Site.Measurement.EVERYONE)
    assert send(quiet, {"name": "visit"}) == ["stored"]


def test_a_wrong_event_stops_no_other(browser: Browser) -> None:
    assert send(browser, {"name": "a b"}, {"name": "visit"}, "visit") == ["failed", "stored", "failed"]


@pytest.mark.parametrize("events", [[], None, "x", [{"name": "visit"}] * 51])
def test_a_list_of_events_has_one_to_fifty(browser: Browser, events: Any) -> None:
    status, _, errors = problem_of(browser.act("POST", "events", events=events))
    assert (status, [pointer for pointer, _ in errors]) == (422, ["/events"])


# --- erasure


def test_a_person_erases_this_browser_and_nothing_of_it_is_left(browser: Browser, site: Site) -> None:
    sign_in(browser, "CRM-1")
    send(browser, {"name": "visit"})
    device = browser.device
    message = new_message(site)
    Recipient.objects.create(message_id=message.pk, no=0, device_id=device.pk, params={"name": "Anna"}, status=1)
    assert browser.act("POST", "erasure").status_code == 204
    device = Device.objects.get(pk=device.pk)
    assert (device.status, device.contact_id, device.allowed, device.language) == (Device.Status.ERASED, None, 0, "")
    assert not Subscription.objects.filter(device_id=device.pk).exists()
    assert not Behaviour.objects.filter(device_id=device.pk).exists()
    assert Recipient.objects.get(message_id=message.pk).params == {}
    lines = ConsentRecord.objects.filter(scope=1, subject_id=device.pk)
    assert not ConsentEvidence.objects.filter(record_id__in=lines.values("id")).exists()
    assert lines.filter(source="erasure").count() == site.purposes.count()
    assert Contact.objects.filter(site=site, external_id="CRM-1").exists()  # the CRM's to erase
    assert Message.objects.get(pk=message.pk).content == {}
    assert len(differences()) == 0
    assert problem_of(browser.act("POST", "erasure"))[:2] == (404, "not_found")
    old = browser.device_id
    assert browser.register({"offers": "granted"})["device_id"] != old


@pytest.mark.parametrize("act", ["tags", "events", "erasure"])
def test_only_the_installation_itself_may(browser: Browser, act: str) -> None:
    browser.secret = "another"
    assert problem_of(browser.act("POST", act))[:2] == (403, "wrong_device_secret")
    assert (
        browser.call("POST", f"devices/{browser.device_id}/{act}", {}, Origin="https://evil.example").status_code == 403
    )
    assert browser.device.status == Device.Status.ACTIVE
