"""A key that a push service refuses: everybody of the Site sees it, and who may send ends the pause."""

from __future__ import annotations

import pytest
from django.urls import reverse

from campaigns import refusals
from campaigns.models import Batch, Campaign, Lane, ServiceState
from tests.admin.house import House
from tests.admin.test_results import large

RESUME = "admin:campaigns_campaign_resume_key"


def refused(house: House) -> ServiceState:
    return ServiceState.objects.create(
        service=1, vapid_key_id=house.key.pk, paused_until=refusals.UNTIL_RESUMED, reason=refusals.REASON
    )


def sending(house: House) -> Campaign:
    campaign, message = large(house, "sending")
    Batch.objects.create(
        message=message, service=1, vapid_key_id=house.key.pk, lane=Lane.CAMPAIGN, n=2345,
        device_ids=[1], contact_ids=[0], expires_at=message.expires_at,
    )  # fmt: skip
    return campaign


def resume(browser, state: ServiceState, **more):  # type: ignore[no-untyped-def]
    return browser.post(reverse(RESUME), {"service": state.service, "vapid_key": state.vapid_key_id, **more})


def test_home_and_the_campaign_say_what_is_refused_what_waits_and_what_resuming_does(ours: House) -> None:
    state, campaign = refused(ours), sending(ours)
    for path in (reverse("admin:index"), reverse("admin:campaigns_campaign_change", args=[campaign.pk])):
        page = ours.browser("marketer").get(path).content.decode()
        assert "refuses this site’s VAPID key" in page
        assert "2,345 deliveries wait" in page
        assert "up to 20 deliveries may fail" in page
        assert "9000" not in page
        assert f'name="vapid_key" value="{state.vapid_key_id}"' in page
        page = ours.browser("analyst").get(path).content.decode()
        assert "refuses this site’s VAPID key" in page
        assert reverse(RESUME) not in page


def test_resuming_ends_the_pause_once_and_leads_back(ours: House) -> None:
    state, campaign = refused(ours), sending(ours)
    browser = ours.browser("marketer")
    answer = resume(browser, state, campaign=campaign.pk)
    assert answer.url == reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert "refuses this site’s" not in browser.get(answer.url).content.decode()
    state.refresh_from_db()
    assert (state.paused_until, state.reason) == (None, "")
    answer = resume(browser, state)
    assert answer.url == reverse("admin:index")
    assert "nothing was done" in browser.get(answer.url).content.decode()


def test_a_pause_that_the_service_asked_for_is_not_ended_by_it(ours: House) -> None:
    state = refused(ours)
    ServiceState.objects.filter(vapid_key_id=ours.key.pk).update(reason="")
    resume(ours.browser("marketer"), state)
    state.refresh_from_db()
    assert state.paused_until == refusals.UNTIL_RESUMED


@pytest.mark.parametrize("role", ["analyst", "stranger"])
def test_who_may_not_send_may_not_resume(ours: House, role: str) -> None:
    state = refused(ours)
    assert resume(ours.browser(role), state).status_code in (302, 403, 404)
    state.refresh_from_db()
    assert state.paused_until is not None


def test_nobody_resumes_or_sees_another_sites_key(ours: House, theirs: House) -> None:
    state = refused(theirs)
    browser = ours.browser("administrator")
    assert resume(browser, state).status_code == 404
    assert "refuses this site’s" not in browser.get(reverse("admin:index")).content.decode()
    state.refresh_from_db()
    assert state.paused_until is not None


@pytest.mark.parametrize("given", [{}, {"service": "x", "vapid_key": "1"}, {"service": "9" * 18, "vapid_key": "1"}])
def test_what_names_no_key_is_not_found(ours: House, given: dict[str, str]) -> None:
    assert ours.browser("marketer").post(reverse(RESUME), given).status_code == 404
