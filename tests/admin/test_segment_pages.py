"""Segments: written as rows or JSON, counted while they are, refused with the place of what is wrong."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.segment_fields import CATALOGUE
from pushplatform.sites import public_ids
from subscribers.models import Segment, SegmentSize
from tests.admin.drafts import said
from tests.admin.house import House


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("marketer")


def new(browser: Client, house: House, definition: Any, name: str = "Pros") -> Any:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    path = f"{reverse('admin:subscribers_segment_add')}?_site={house.site.pk}"
    return browser.post(path, {"name": name, "definition": text})


def counted(browser: Client, house: House, definition: Any, **more: Any) -> Any:
    path = f"{reverse('admin:subscribers_segment_count')}?_site={house.site.pk}"
    return browser.post(path, {"definition": json.dumps(definition), **more})


def test_a_segment_is_saved_on_the_site_of_its_form(ours: House, browser: Client) -> None:
    definition = {"all": [{"field": "contact.tags", "op": "has", "value": "vip"}]}
    assert new(browser, ours, definition).status_code == 302
    segment = Segment.objects.get(name="Pros")
    assert (segment.site, segment.definition) == (ours.site, definition)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("{", "is no JSON"),
        ("{}", ": must be an object with a rule"),
        ("[" * 5000, "is no JSON"),
        ({"all": [{"field": "contact.nonsense", "op": "eq", "value": 1}]}, "/all/0/field: there is no field"),
        ({"all": [{"field": "contact.tags", "op": "has", "value": 5}]}, "/all/0/value: must be a text"),
        ({"any": []}, "/any: nobody matches"),
        ({"segment": "seg_x"}, "/segment: is no segment of this Site"),
    ],
)
def test_a_broken_rule_is_refused_with_its_place(ours: House, browser: Client, definition: Any, expected: str) -> None:
    before = Segment.objects.count()
    page = new(browser, ours, definition).content.decode()
    place = re.search(r"data-faults[^>]*>(.*?)</div>", page, re.DOTALL)
    assert place is not None
    assert expected in place[1]
    assert Segment.objects.count() == before


def test_two_segments_cannot_have_the_same_name(ours: House, browser: Client) -> None:
    errors = said(new(browser, ours, {"all": []}, name=ours.segment.name).content)
    assert errors[0] == "name: The name is another segment's: choose one that tells them apart."


def test_the_builder_offers_the_fields_of_the_catalogue_with_all_their_operators(ours: House, browser: Client) -> None:
    page = browser.get(reverse("admin:subscribers_segment_change", args=[ours.segment.pk])).content.decode()
    found = re.search(r'<script id="builder" type="application/json">(.*?)</script>', page)
    assert found is not None
    offered = {one["name"]: [each["op"] for each in one["operators"]] for one in json.loads(found[1])["fields"]}
    assert offered == {field.name: list(field.operators) for field in CATALOGUE.of_site(ours.site.pk)}
    assert f"contact.attributes.{ours.attribute.key}" in offered


def test_a_refused_definition_comes_back_as_it_was_written(ours: House, browser: Client) -> None:
    odd = {"version": 9, "all": [{"field": "contact.attributes.gone", "op": "sounds_like", "value": "x"}]}
    answer = new(browser, ours, odd)
    assert json.loads(answer.context["form"]["definition"].value()) == odd
    assert [fault["at"] for fault in answer.context["builder"]["faults"]] == ["/version"]


def test_a_saved_segment_that_cannot_be_understood_is_shown_as_it_is(ours: House, browser: Client) -> None:
    old = {"all": [{"field": "contact.attributes.gone", "op": "eq", "value": "x"}]}
    segment = ours.new_segment("Of another time", old)
    answer = browser.get(reverse("admin:subscribers_segment_change", args=[segment.pk]))
    assert json.loads(answer.context["form"]["definition"].value()) == old
    fault = counted(browser, ours, old).json()["faults"][0]
    assert (fault["at"], fault["code"]) == ("/all/0/field", "unknown_attribute")
    listed = browser.get(reverse("admin:subscribers_segment_changelist")).content.decode()
    assert "Matches nobody, it cannot be worked out: there is no attribute" in listed


def test_nobody_overwrites_unseen_what_somebody_else_saved(ours: House, browser: Client) -> None:
    path = reverse("admin:subscribers_segment_change", args=[ours.segment.pk])
    mine = {"name": ours.segment.name, "definition": '{"not": {"all": []}}'}
    mine["seen"] = browser.get(path).context["form"].state
    browser.post(path, {**mine, "definition": '{"field": "contact.tags", "op": "is_set"}'})
    answer = browser.post(path, mine)
    assert "Somebody else saved this segment meanwhile." in answer.content.decode()
    ours.segment.refresh_from_db()
    assert ours.segment.definition == {"field": "contact.tags", "op": "is_set"}
    browser.post(path, {**mine, "seen": answer.context["form"].state})
    ours.segment.refresh_from_db()
    assert ours.segment.definition == {"not": {"all": []}}


def test_a_segment_in_use_is_archived_not_deleted(ours: House, browser: Client) -> None:
    browser.post(reverse("admin:subscribers_segment_delete", args=[ours.segment.pk]), {"post": "yes"})
    assert Segment.objects.filter(pk=ours.segment.pk).exists()
    browser.post(reverse("admin:subscribers_segment_archive", args=[ours.segment.pk]))
    ours.segment.refresh_from_db()
    assert ours.segment.archived
    path = f"{reverse('admin:campaigns_campaign_add')}?_site={ours.site.pk}"
    browser.get(path)  # takes the message that it was archived
    assert ours.segment.name not in browser.get(path).content.decode()


def test_an_archived_segment_does_not_come_back_under_a_taken_name(ours: House, browser: Client) -> None:
    archived = ours.new_segment("Pros")
    path = reverse("admin:subscribers_segment_archive", args=[archived.pk])
    browser.post(path)
    ours.new_segment("Pros")
    browser.post(path)
    archived.refresh_from_db()
    assert archived.archived


def test_a_copy_has_a_name_of_its_own_and_is_opened(ours: House, browser: Client) -> None:
    answer = browser.post(reverse("admin:subscribers_segment_duplicate", args=[ours.segment.pk]))
    copy = Segment.objects.get(name=f"{ours.segment.name} (copy)")
    assert answer["Location"] == reverse("admin:subscribers_segment_change", args=[copy.pk])
    assert copy.definition == ours.segment.definition


def test_the_page_names_campaigns_and_segments_that_use_it_and_its_size_by_day(ours: House, browser: Client) -> None:
    own = public_ids.encode("seg", ours.segment.pk)
    other = ours.new_segment("Refers to it", {"not": {"segment": own}})
    SegmentSize.objects.create(segment=ours.segment, day=date(2026, 3, 1), devices=12, people=9)
    page = browser.get(reverse("admin:subscribers_segment_change", args=[ours.segment.pk]))
    assert [one.pk for one in page.context["used_in"]] == [other.pk]
    assert {one.pk for one in page.context["used_by"]} == {ours.draft.pk, ours.sent.pk}
    assert page.context["sizes"] == [{"day": "2026-03-01", "devices": 12, "people": 9}]
    assert "Delete this segment" not in page.content.decode()


def test_an_analyst_counts_and_saves_nothing(ours: House) -> None:
    browser = ours.browser("analyst")
    assert counted(browser, ours, {"all": []}).status_code == 200
    assert new(browser, ours, {"all": []}).status_code == 403
    path = reverse("admin:subscribers_segment_change", args=[ours.segment.pk])
    assert browser.post(path, {"name": "x", "definition": '{"all": []}'}).status_code == 403
    assert browser.post(reverse("admin:subscribers_segment_duplicate", args=[ours.segment.pk])).status_code == 403


def test_the_list_of_segments_marks_one_that_matches_nobody(ours: House, browser: Client) -> None:
    ours.new_segment("Broken", {"field": "contact.attributes.gone", "op": "is_set"})
    page = browser.get(reverse("admin:subscribers_segment_changelist")).content.decode()
    assert '<span class="pp-text-fail">Matches nobody, it cannot be worked out: there is no attribute' in page
    assert "A segment says in rules" not in page


def test_lists_that_are_empty_say_what_they_are_for(ours: House, browser: Client) -> None:
    ours.contact_list.delete()
    page = browser.get(reverse("admin:subscribers_contactlist_changelist")).content.decode()
    assert "A list holds the CRM ids of a file" in page
