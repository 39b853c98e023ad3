"""Setting a Site up: origins, keys, purposes and wordings, members."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pushplatform.sites.access import Right, may, role_on, sites_of
from pushplatform.sites.models import Membership, Site, VapidKey
from pushplatform.sites.public_ids import encode
from pushplatform.webpush.keys import b64url
from subscribers.models import Purpose, Wording
from tests.admin.drafts import said
from tests.admin.house import House


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("administrator")


def site_form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "New shop", "origins": "https://shop.example\nhttps://www.shop.example", "time_zone": "Europe/Warsaw",
        "default_language": "pl", "vapid_subject": "mailto:push@shop.example", "measurement": "1",
        "prompt_title": "May we?",
    } | changes  # fmt: skip


def test_a_new_site_comes_with_its_two_purposes_and_a_key(ours: House) -> None:
    answer = ours.browser("superuser").post(reverse("admin:sites_site_add"), site_form())
    assert answer.status_code == 302
    site = Site.objects.get(name="New shop")
    assert site.origins == ["https://shop.example", "https://www.shop.example"]
    assert site.prompt == {"title": "May we?"}
    assert list(site.purposes.order_by("bit").values_list("key", flat=True)) == ["personal_data", "measurement"]
    assert site.vapid_keys.get().state == VapidKey.State.CURRENT


def test_a_sites_page_gives_the_two_lines_for_its_pages(ours: House, browser: Client) -> None:
    page = html.unescape(browser.get(reverse("admin:sites_site_change", args=[ours.site.pk])).content.decode())
    public_id = encode("site", ours.site.pk)
    assert f'<script src="http://localhost:8000/static/push/sdk.js" data-site="{public_id}" async></script>' in page
    assert 'importScripts("http://localhost:8000/static/push/sw.js");' in page


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"origins": "http://shop.example"}, "must be https"),
        ({"origins": "https://shop.example/path"}, "is not an origin"),
        ({"origins": ""}, "This field is required"),
        ({"time_zone": "Mars/Base"}, "Select a valid choice"),
        ({"vapid_subject": "somebody"}, "mailto:"),
        ({"name": ""}, "This field is required"),
        ({"per_minute": "0"}, "greater than or equal to 1"),
        ({"per_minute": "many"}, "Enter a whole number"),
    ],
)
def test_a_wrong_site_is_refused_and_nothing_changes(
    ours: House, browser: Client, changes: dict[str, Any], expected: str
) -> None:
    before = Site.objects.values("name", "origins", "time_zone", "vapid_subject").get(pk=ours.site.pk)
    answer = browser.post(reverse("admin:sites_site_change", args=[ours.site.pk]), site_form(**changes))
    assert answer.status_code == 200
    assert expected in answer.content.decode()
    assert Site.objects.values("name", "origins", "time_zone", "vapid_subject").get(pk=ours.site.pk) == before


@pytest.mark.parametrize(("given", "kept"), [("1000", 1000), ("", None)])
def test_a_site_has_a_ceiling_or_none(ours: House, browser: Client, given: str, kept: int | None) -> None:
    Site.objects.filter(pk=ours.site.pk).update(per_minute=5)
    answer = browser.post(reverse("admin:sites_site_change", args=[ours.site.pk]), site_form(per_minute=given))
    assert answer.status_code == 302
    assert Site.objects.values_list("per_minute", flat=True).get(pk=ours.site.pk) == kept


def test_a_new_key_takes_over_and_the_old_one_drains(ours: House, browser: Client) -> None:
    browser.post(f"{reverse('admin:sites_vapidkey_add')}?_site={ours.site.pk}")
    ours.key.refresh_from_db()
    assert ours.key.state == VapidKey.State.DRAINING
    current = VapidKey.objects.get(site=ours.site, state=VapidKey.State.CURRENT)
    assert b64url(bytes(current.public_key)) in browser.get(reverse("admin:sites_vapidkey_changelist")).content.decode()


def test_only_a_draining_key_is_retired(ours: House, browser: Client) -> None:
    for key, state in ((ours.key, VapidKey.State.CURRENT), (ours.old_key, VapidKey.State.RETIRED)):
        browser.post(reverse("admin:sites_vapidkey_retire", args=[key.pk]))
        key.refresh_from_db()
        assert key.state == state


def test_a_purpose_is_added_with_its_wording(ours: House, browser: Client) -> None:
    path = f"{reverse('admin:subscribers_purpose_add')}?_site={ours.site.pk}"
    texts = {"wording_language": ["en", "pl", ""], "wording_text": ["Tell me of news.", "Nowości.", ""]}
    given = {"title": "News", "key": "news", "kind": "marketing", **texts}
    assert browser.post(path, given).status_code == 302
    purpose = Purpose.objects.get(site=ours.site, key="news")
    assert set(purpose.wordings.values_list("version", "language", "text")) == {
        (1, "en", "Tell me of news."),
        (1, "pl", "Nowości."),
    }
    for changes, expected in (
        ({}, "key: There is a purpose news already"),
        ({"key": "9 x"}, "key: Must be 1 to 64 of a-z"),
        ({"key": "other", "kind": "spam"}, "kind: Select a valid choice"),
        ({"key": "other", "wording_text": ["", "", ""]}, "wording: Give each row both"),
        ({"key": "other", "wording_language": ["e", "pl", ""]}, "wording: "),
        ({"key": "other", "wording_language": ["pl", "pl", ""]}, "wording: pl stands here twice."),
    ):
        errors = said(browser.post(path, given | changes).content)
        assert any(error.startswith(expected) for error in errors), (changes, errors)
    assert Purpose.objects.filter(site=ours.site).count() == 4


def test_a_wording_is_never_edited_only_followed(ours: House, browser: Client) -> None:
    before = Wording.objects.values().get(purpose=ours.offers)
    path = reverse("admin:subscribers_purpose_new_wording", args=[ours.offers.pk])
    browser.post(path, {"wording_language": ["en"], "wording_text": ["Other words."]})
    assert Wording.objects.values().get(purpose=ours.offers, version=1) == before
    assert Wording.objects.get(purpose=ours.offers, version=2).text == "Other words."
    ours.device.refresh_from_db()
    assert ours.device.allowed & (1 << ours.offers.bit)
    browser.post(path, {"wording_language": ["en"], "wording_text": ["It means more now."], "ends_older": "on"})
    ours.device.refresh_from_db()
    assert not ours.device.allowed & (1 << ours.offers.bit)
    assert (
        "ended by a newer wording"
        in browser.get(reverse("admin:subscribers_device_change", args=[ours.device.pk])).content.decode()
    )


def test_a_purposes_key_and_kind_never_change(ours: House, browser: Client) -> None:
    path = reverse("admin:subscribers_purpose_change", args=[ours.offers.pk])
    browser.post(path, {"title": "Better offers", "key": "changed", "kind": "service"})
    ours.offers.refresh_from_db()
    assert (ours.offers.title, ours.offers.key, ours.offers.kind) == ("Better offers", "offers", "marketing")


def test_a_new_member_gets_an_account_and_a_first_password_shown_once(ours: House, browser: Client) -> None:
    path = f"{reverse('admin:sites_membership_add')}?_site={ours.site.pk}"
    page = browser.post(path, {"username": "basia", "role": "marketer"}).content.decode()
    password = re.search(r'<code id="secret">([^<]+)</code>', page)
    assert password is not None
    user = User.objects.get(username="basia")
    assert user.is_staff
    assert not user.is_superuser
    assert role_on(user, ours.site) == Membership.Role.MARKETER
    assert Client().login(username="basia", password=password[1])
    assert password[1] not in browser.get(reverse("admin:sites_membership_changelist")).content.decode()


def test_a_colleague_with_an_account_gets_no_new_password(ours: House, theirs: House, browser: Client) -> None:
    colleague = theirs.user("administrator")
    colleague.set_password("their own password")
    colleague.save()
    path = f"{reverse('admin:sites_membership_add')}?_site={ours.site.pk}"
    answer = browser.post(path, {"username": colleague.username, "role": "analyst"})
    assert answer.status_code == 302
    assert role_on(User.objects.get(pk=colleague.pk), ours.site) == Membership.Role.ANALYST
    assert Client().login(username=colleague.username, password="their own password")


def test_a_membership_cannot_promote_an_account_that_may_not_log_in_here(ours: House, browser: Client) -> None:
    User.objects.create(username="customer", is_staff=False)
    path = f"{reverse('admin:sites_membership_add')}?_site={ours.site.pk}"
    page = browser.post(path, {"username": "customer", "role": "administrator"}).content.decode()
    assert "may not use the admin" in page
    assert not User.objects.get(username="customer").is_staff


def test_nobody_changes_or_ends_their_own_membership(ours: House, browser: Client) -> None:
    own = Membership.objects.get(user=ours.user("administrator"))
    browser.post(reverse("admin:sites_membership_change", args=[own.pk]), {"role": "analyst"})
    browser.post(reverse("admin:sites_membership_delete", args=[own.pk]), {"post": "yes"})
    own.refresh_from_db()
    assert own.role == Membership.Role.ADMINISTRATOR


def test_who_sees_several_sites_chooses_one_and_sees_only_that(ours: House, theirs: House) -> None:
    user = ours.user("marketer")
    Membership.objects.create(user=user, site=theirs.site, role="analyst")
    browser = ours.browser("marketer")
    listed = reverse("admin:campaigns_campaign_changelist")
    for house, other in ((ours, theirs), (theirs, ours)):
        browser.get(reverse("admin:index"), {"_site": house.site.pk})
        page = browser.get(listed).content.decode()
        assert f"{house.mark} draft" in page
        assert f"{other.mark} draft" not in page
    path = f"{reverse('admin:campaigns_campaign_add')}?_site={theirs.site.pk}"
    assert browser.get(path).status_code == 403


def test_rights_follow_membership_and_end_with_the_account(ours: House, theirs: House) -> None:
    analyst, root = ours.user("analyst"), ours.user("superuser")
    assert may(analyst, Right.SEE, ours.site)
    assert not may(analyst, Right.COMPOSE, ours.site)
    assert not may(analyst, Right.SEE, theirs.site)
    assert list(sites_of(analyst)) == [ours.site]
    assert not sites_of(analyst, Right.COMPOSE).exists()
    assert may(root, Right.ADMINISTER, theirs.site)
    assert sites_of(root).count() == 2
    for change in ({"is_active": False}, {"is_staff": False}):
        User.objects.filter(pk__in=[analyst.pk, root.pk]).update(is_active=True, is_staff=True)
        User.objects.filter(pk__in=[analyst.pk, root.pk]).update(**change)
        for user in User.objects.filter(pk__in=[analyst.pk, root.pk]):
            assert not may(user, Right.SEE, ours.site)
            assert not sites_of(user).exists()


def test_a_superuser_makes_and_changes_users_and_gives_them_sites(ours: House) -> None:
    browser = ours.browser("superuser")
    none = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    made = {"username": "hanna", "usable_password": "true"}
    made |= {"password1": "long and odd 7", "password2": "long and odd 7"}
    assert browser.post(reverse("admin:auth_user_add"), made | none).status_code == 302
    user = User.objects.get(username="hanna")
    path = reverse("admin:auth_user_change", args=[user.pk])
    member = {"memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 0, "memberships-0-user": user.pk}
    member |= {"memberships-0-site": ours.site.pk, "memberships-0-role": "analyst"}
    changed = {"username": "hanna", "is_active": "on", "is_staff": "on"}
    assert browser.post(path, changed | member).status_code == 302
    user = User.objects.get(pk=user.pk)
    assert role_on(user, ours.site) == Membership.Role.ANALYST
    assert user.check_password("long and odd 7")
    assert "Set a new password" in browser.get(path).content.decode()
