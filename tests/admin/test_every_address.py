"""No role sees or touches another Site, on whatever page of the admin."""

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse

from tests.admin.addresses import all_addresses, general_urls, urls_about
from tests.admin.house import House, everything

ROLES = ("analyst", "marketer", "administrator", "stranger")
POSTED = {
    "name": "taken over", "title": "taken over", "role": "administrator", "purpose": "1", "definition": '{"all": []}',
    "post": "yes", "token": "x", "send_at": "2099-01-01T10:00", "as": "theirs-crm-1", "_save": "1", "_launch": "1",
}  # fmt: skip


def test_every_page_about_one_thing_is_known_to_these_tests(ours: House) -> None:
    ours.user("administrator")
    visited = {name for name, _ in urls_about(ours)}
    assert {address.name for address in all_addresses() if address.model and address.about_one} == visited
    assert len(visited) > 40


@pytest.mark.parametrize("role", ROLES)
def test_a_page_about_another_sites_thing_is_not_found(ours: House, theirs: House, role: str) -> None:
    browser, before = ours.browser(role), everything()
    for name, path in urls_about(theirs):
        for answer in (browser.get(path), browser.post(path, POSTED)):
            assert answer.status_code in (403, 404), f"{name} {path}: {answer.status_code}"
            assert b"theirs" not in answer.content, name
    assert everything() == before


@pytest.mark.parametrize("role", ROLES)
def test_no_list_form_or_search_shows_anything_of_another_site(ours: House, theirs: House, role: str) -> None:
    browser, before = ours.browser(role), everything()
    for _, path in general_urls():
        for address in (path, f"{path}?_site={theirs.site.pk}", f"{path}?q=their", f"{path}?s=their&extended=1"):
            answer = browser.get(address, follow=True)
            assert b"theirs" not in answer.content, address
    assert everything() == before


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_made_on_another_site(ours: House, theirs: House, role: str) -> None:
    browser = ours.browser(role)
    before = everything()
    for _, path in general_urls():
        if path.endswith("/add/") or path.endswith(("/preview/", "/count/")):
            answer = browser.post(f"{path}?_site={theirs.site.pk}", {**POSTED, "site": theirs.site.pk})
            assert answer.status_code in (403, 404), f"{path}: {answer.status_code}"
            assert b"theirs shop" not in answer.content
    assert everything() == before


def test_a_form_takes_no_choice_from_another_site(ours: House, theirs: House) -> None:
    browser = ours.browser("marketer")
    path = reverse("admin:campaigns_campaign_add") + f"?_site={ours.site.pk}"
    posted = {"name": "Mixed", "purpose": theirs.offers.pk, "segments": [theirs.segment.pk], "title": "Hello"}
    answer = browser.post(
        path, {**posted, "devices": "all", "life": "ttl", "ttl_number": 1, "ttl_unit": "hours", "urgency": "low"}
    )
    assert answer.status_code == 200
    assert "Select a valid choice" in answer.content.decode()
    assert not ours.site.campaigns.filter(name="Mixed").exists()


@pytest.mark.parametrize("role", ROLES)
def test_autocomplete_offers_nothing_of_another_site(ours: House, theirs: House, role: str) -> None:
    browser = ours.browser(role)
    for model in admin.site._registry:
        for field in model._meta.get_fields():
            if not (field.many_to_one or field.many_to_many) or field.auto_created:
                continue
            asked = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": field.name}
            answer = browser.get(reverse("admin:autocomplete"), {**asked, "term": "their"})
            assert answer.status_code in (200, 403, 404)
            assert b"theirs" not in answer.content


def test_the_shortcut_to_an_objects_own_page_leads_nowhere(ours: House, theirs: House) -> None:
    kind = ContentType.objects.get_for_model(theirs.contact)
    answer = ours.browser("administrator").get(reverse("admin:view_on_site", args=[kind.pk, theirs.contact.pk]))
    assert answer.status_code == 404


def test_who_is_not_logged_in_sees_the_log_in_page_only(ours: House, client) -> None:  # type: ignore[no-untyped-def]
    ours.user("administrator")
    for _, path in [*urls_about(ours), *general_urls()]:
        answer = client.get(path)
        assert answer.status_code in (302, 404) or answer.wsgi_request.path.endswith("/login/"), path
        assert b"ours" not in answer.content, path


@pytest.mark.parametrize("role", ["analyst", "marketer"])
def test_a_role_changes_nothing_beyond_its_rights(ours: House, role: str) -> None:
    browser = ours.browser(role)
    ours.user("administrator")
    composes = {"campaigns_campaign", "subscribers_segment", "subscribers_contactlist"} if role == "marketer" else set()
    before = everything()
    for name, path in urls_about(ours):
        if not any(name.startswith(f"{model}_") for model in composes):
            assert browser.post(path, POSTED).status_code < 500, name
    for _, path in general_urls():
        if not any(model.replace("_", "/") in path for model in composes):
            browser.post(f"{path}?_site={ours.site.pk}", POSTED)
    assert everything() == before


def test_an_analyst_reads_every_page_of_campaigns_segments_and_contacts(ours: House) -> None:
    browser = ours.browser("analyst")
    for path in (
        reverse("admin:index"),
        reverse("admin:campaigns_campaign_changelist"),
        reverse("admin:campaigns_campaign_change", args=[ours.draft.pk]),
        reverse("admin:campaigns_campaign_change", args=[ours.sent.pk]),
        reverse("admin:campaigns_campaign_deliveries", args=[ours.sent.pk]),
        reverse("admin:subscribers_segment_change", args=[ours.segment.pk]),
        reverse("admin:subscribers_contact_change", args=[ours.contact.pk]),
        reverse("admin:subscribers_device_change", args=[ours.device.pk]),
    ):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert b"ours" in answer.content
