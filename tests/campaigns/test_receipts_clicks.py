"""GET /c/{token}: counts the click and leads where the stored template says."""

from typing import Any

import pytest
from django.test import Client

from campaigns.models import Breakdown, Message, MessageTotal, Receipt, Recipient
from campaigns.receipt_tokens import Tokens, device_ref
from pushplatform.sites.models import Site
from subscribers.models import Contact, Device, DeviceStats
from tests.campaigns.shop import accepted, grant, new_campaign, new_contact, new_device, new_message, new_site

pytestmark = pytest.mark.django_db

CONTENT = {
    "title": "Hello",
    "url": "https://shop.example/sale?of={{ contact.external_id }}&on={{ device.browser }}&order={{ params.order }}",
    "actions": [{"action": "track", "title": "Track", "url": "https://shop.example/track/{{ params.order }}"}],
}


@pytest.fixture
def site() -> Site:
    site = new_site()
    site.home_url = "https://shop.example/home"
    site.save()
    return site


@pytest.fixture
def anna(site: Site) -> Device:
    contact = new_contact(site, external_id="ANNA")
    device = new_device(site, contact=contact, browser="firefox", service=6)
    grant(device, "personal_data", "measurement", "offers")
    return device


def listed(site: Site, device: Device, **values: Any) -> Message:
    """A message to that device as a recipient of an API call."""
    message = new_message(site, **{"content": CONTENT, "targeted": 1, **values})
    Recipient.objects.create(message_id=message.pk, no=3, params={"order": "A-1"}, status=1)
    message.batches.create(
        service=6, vapid_key_id=device.vapid_key_id, lane=1, device_ids=[device.pk - 1, device.pk],
        contact_ids=[0, device.contact_id or 0], recipient_nos=[9, 3], n=2, expires_at=message.expires_at,
    )  # fmt: skip
    return message


def link(message: Message, ref: int) -> str:
    return "/c/" + Tokens(bytes(message.site.receipt_secret), message.site_id).click(message.pk, ref)


def location(path: str) -> str:
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.headers["Location"])


def test_a_click_leads_to_the_address_made_for_that_person(site: Site, anna: Device) -> None:
    message = listed(site, anna)
    assert location(link(message, anna.pk)) == "https://shop.example/sale?of=ANNA&on=firefox&order=A-1"
    assert location(link(message, anna.pk) + "?a=track") == "https://shop.example/track/A-1"


def test_a_click_is_counted_once_and_implies_what_came_before(site: Site, anna: Device) -> None:
    message = listed(site, anna)
    for _ in range(3):
        location(link(message, anna.pk))
    total = MessageTotal.objects.get(message_id=message.pk)
    assert (total.received, total.shown, total.clicked) == (1, 1, 1)
    assert DeviceStats.objects.get(device_id=anna.pk).clicked == 1


def test_the_button_is_counted_where_the_message_has_it(site: Site, anna: Device) -> None:
    campaign = new_campaign(site)
    message = new_message(site, campaign, content=CONTENT)
    location(link(message, anna.pk) + "?a=track")
    assert Breakdown.objects.get(campaign_id=campaign.pk, dimension="button").value == "track"


def test_a_look_ahead_by_head_counts_nothing(site: Site, anna: Device) -> None:
    message = listed(site, anna)
    assert Client().head(link(message, anna.pk)).status_code == 302
    assert not Receipt.objects.exists()


def test_the_address_is_that_of_who_got_the_message_not_of_who_uses_the_browser_now(site: Site, anna: Device) -> None:
    message = listed(site, anna)
    accepted(message, anna)
    Device.objects.filter(pk=anna.pk).update(contact=new_contact(site, external_id="BEN"))
    assert "of=ANNA" in location(link(message, anna.pk))


def test_who_was_erased_since_is_not_named(site: Site, anna: Device) -> None:
    message = listed(site, anna)
    accepted(message, anna)
    Contact.objects.filter(external_id="ANNA").delete()
    assert "of=&" in location(link(message, anna.pk))


def test_behind_a_pseudonym_the_address_is_right_while_the_messages_secret_lives(site: Site, anna: Device) -> None:
    message = listed(site, anna)
    path = link(message, device_ref(bytes(message.ref_secret or b""), anna.pk, measured=False))
    assert location(path) == "https://shop.example/sale?of=ANNA&on=firefox&order=A-1"
    assert not DeviceStats.objects.exists()
    Message.objects.filter(pk=message.pk).update(ref_secret=None)
    assert location(path) == "https://shop.example/sale?of=&on=&order="


def test_nothing_in_the_link_chooses_where_it_leads(site: Site, anna: Device) -> None:
    message = listed(site, anna)
    for added in ("?url=https://evil.example", "?a=https://evil.example", "?a=%00", "?a=" + "x" * 5000):
        assert location(link(message, anna.pk) + added).startswith("https://shop.example/sale")


@pytest.mark.parametrize("url", [None, "{{ params.order }}"])
def test_without_a_literal_address_a_click_leads_home(site: Site, anna: Device, url: str | None) -> None:
    message = listed(site, anna, content={"title": "Hello", "url": url})
    assert location(link(message, anna.pk)) == "https://shop.example/home"


def test_a_link_that_is_not_ours_is_a_friendly_404_and_no_redirect(site: Site, anna: Device) -> None:
    message = listed(site, anna)
    receipt = Tokens(bytes(site.receipt_secret), site.pk).receipt(message.pk, anna.pk)
    gone = link(message, anna.pk)
    message.delete()
    for path in ("/c/nonsense", "/c/" + "A" * 43, f"/c/{receipt}", gone):
        answer = Client().get(path)
        assert answer.status_code == 404
        assert "leads nowhere" in answer.content.decode()
    assert not Receipt.objects.exists()


def test_a_click_is_read_only_by_get_and_head(site: Site, anna: Device) -> None:
    assert Client().post(link(listed(site, anna), anna.pk)).status_code == 405
