"""Segments: written as rows or JSON, counted while they are, refused with the place of what is wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.admin.segment_fields import INPUTS
from campaigns.segment_fields import CATALOGUE
from subscribers.models import Segment
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
        ("{", "This is no JSON"),
        ("{}", ": must be an object with a rule"),
        ("[" * 5000, "This is no JSON"),
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
    assert errors[0] == "name: Another segment has this name. Choose one that tells them apart."


def test_the_builder_offers_the_fields_of_the_catalogue_with_the_operators_it_can_ask_for(
    ours: House, browser: Client
) -> None:
    page = browser.get(reverse("admin:subscribers_segment_change", args=[ours.segment.pk])).content.decode()
    found = re.search(r'<script id="fields" type="application/json">(.*?)</script>', page)
    assert found is not None
    offered = {one["name"]: {each["op"] for each in one["operators"]} for one in json.loads(found[1])}
    for field in CATALOGUE.of_site(ours.site.pk):
        asked = {op for op, operator in field.operators.items() if operator.takes.input in INPUTS}
        if field.name != "event" and asked:
            assert asked - offered[field.name] <= {"ne"}, field.name
    assert f"contact.attributes.{ours.attribute.key}" in offered


def test_the_count_tells_devices_people_words_and_examples(ours: House, browser: Client) -> None:
    ours.new_device(ours.contact)
    ours.new_device(browser="safari")
    ours.new_device(status=3)
    ours.new_device(allowed=0)
    rule = {"all": [{"field": "device.browser", "op": "eq", "value": "firefox"}]}
    found = counted(browser, ours, rule, purpose=ours.offers.pk).json()
    figures = {name: found[name] for name in ("everyone", "matched", "consenting", "active", "people")}
    assert figures == {"everyone": 5, "matched": 4, "consenting": 3, "active": 2, "people": 1}
    assert found["words"] == "browser is firefox"
    assert [one["crm"] for one in found["examples"]] == [ours.contact.external_id]
    without = counted(browser, ours, rule).json()
    assert (without["consenting"], without["purpose"]) == (4, None)


def test_the_count_of_a_broken_rule_names_its_place(ours: House, browser: Client) -> None:
    answer = counted(browser, ours, {"any": [{"field": "device.browser", "op": "eq", "value": "netscape"}]})
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["at"] == "/any/0/value"


def test_a_count_for_another_sites_purpose_is_one_for_any(ours: House, theirs: House, browser: Client) -> None:
    assert counted(browser, ours, {"all": []}, purpose=theirs.offers.pk).json()["purpose"] is None


def test_a_segment_in_use_is_archived_not_deleted(ours: House, browser: Client) -> None:
    browser.post(reverse("admin:subscribers_segment_delete", args=[ours.segment.pk]), {"post": "yes"})
    assert Segment.objects.filter(pk=ours.segment.pk).exists()
    browser.post(reverse("admin:subscribers_segment_archive", args=[ours.segment.pk]))
    ours.segment.refresh_from_db()
    assert ours.segment.archived
    path = f"{reverse('admin:campaigns_campaign_add')}?_site={ours.site.pk}"
    browser.get(path)  # takes the message that it was archived
    assert ours.segment.name not in browser.get(path).content.decode()


def test_an_analyst_counts_and_saves_nothing(ours: House) -> None:
    browser = ours.browser("analyst")
    assert counted(browser, ours, {"all": []}).status_code == 200
    assert new(browser, ours, {"all": []}).status_code == 403
    path = reverse("admin:subscribers_segment_change", args=[ours.segment.pk])
    assert browser.post(path, {"name": "x", "definition": '{"all": []}'}).status_code == 403
