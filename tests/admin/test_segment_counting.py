"""What the page of a segment asks for while one writes: the count, values, a sample, and why somebody is not in it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.audience import Waterfall
from campaigns.previewing import Preview
from campaigns.segment_fields import CATALOGUE
from pushplatform.sites import public_ids
from subscribers.models import Attribute, Behaviour, ContactList, ContactListMember
from tests.admin.house import House

FIREFOX = {"field": "device.browser", "op": "eq", "value": "firefox"}


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("marketer")


def asked(browser: Client, house: House, what: str, definition: Any, **more: Any) -> Any:
    path = f"{reverse(f'admin:subscribers_segment_{what}')}?_site={house.site.pk}"
    return browser.post(path, {"definition": json.dumps(definition), **more})


def values(browser: Client, house: House, **query: str) -> Any:
    path = reverse("admin:subscribers_segment_values")
    return browser.get(path, {"_site": house.site.pk, **query}).json()


def test_the_count_is_a_waterfall_for_the_purpose_the_exclusions_and_the_device_choice(
    ours: House, browser: Client
) -> None:
    ours.new_device(ours.contact)
    ours.new_device(browser="safari")
    ours.new_device(status=3)
    ours.new_device(allowed=0)
    staff = ours.new_contact(tags=["staff"])
    ours.new_device(staff)
    without = ours.new_segment("Staff", {"field": "contact.tags", "op": "has", "value": "staff"})
    found = asked(
        browser, ours, "count", {"all": [FIREFOX]}, purpose=ours.offers.pk, without=without.pk, devices='"latest"'
    ).json()
    assert found["figures"] == {
        "matched": 5, "with_consent": 4, "active": 3, "after_exclusions": 2, "after_device_choice": 1, "people": 1,
    }  # fmt: skip
    assert (found["exact"], found["error"], found["few"]) == (True, None, False)
    assert found["sentence"] == "browser is Firefox"
    assert (found["purpose"], found["without"], found["picks_one"]) == (ours.offers.title, ["Staff"], True)


def test_the_count_of_a_broken_rule_names_its_place(ours: House, browser: Client) -> None:
    answer = asked(browser, ours, "count", {"any": [{"field": "device.browser", "op": "eq", "value": "netscape"}]})
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["at"] == "/any/0/value"


def test_a_count_tells_what_it_waited_for(ours: House, browser: Client) -> None:
    told = asked(browser, ours, "count", {"all": [FIREFOX]})["Server-Timing"]
    database, view = (float(part.partition("dur=")[2]) for part in told.split(", "))
    assert 0 < database <= view


def test_an_unfinished_rule_says_that_its_value_is_missing(ours: House, browser: Client) -> None:
    answer = asked(browser, ours, "count", {"all": [{"field": "device.browser", "op": "eq"}]})
    assert [(fault["at"], fault["code"]) for fault in answer.json()["faults"]] == [("/all/0/value", "required")]


@pytest.mark.parametrize("devices", ["nonsense", '"oldest"', '{"form": ["toaster"]}'])
def test_an_unknown_choice_of_devices_is_refused(ours: House, browser: Client, devices: str) -> None:
    answer = asked(browser, ours, "count", {"all": []}, devices=devices)
    assert (answer.status_code, answer.json()["faults"][0]["code"]) == (422, "devices")


def test_a_broken_exclusion_is_named_and_not_left_out(ours: House, browser: Client) -> None:
    fine = ours.new_segment("Fine", {"all": []})
    broken = ours.new_segment("Broken", {"field": "contact.attributes.gone", "op": "is_set"})
    without = {"without": [fine.pk, broken.pk]}
    (fault,) = asked(browser, ours, "count", {"all": []}, **without).json()["faults"]
    assert fault["code"] == "broken_exclusion"
    why_not = asked(browser, ours, "why", {"all": []}, who=ours.contact.external_id, **without)
    assert why_not.status_code == 422
    for said in (fault["detail"], why_not.json()["error"]):
        assert said.startswith("“Broken” is to be left out and cannot be worked out: there is no attribute 'gone'")


def test_another_sites_purpose_and_segment_have_no_say(ours: House, theirs: House, browser: Client) -> None:
    found = asked(browser, ours, "count", {"all": []}, purpose=theirs.offers.pk, without=theirs.segment.pk).json()
    assert (found["purpose"], found["without"], found["figures"]["after_exclusions"]) == (None, [], 1)


@pytest.mark.parametrize("number", ["²", "9" * 40, "-1", "1; drop table segment", ""])
def test_numbers_that_are_none_choose_nothing(ours: House, browser: Client, number: str) -> None:
    answer = asked(browser, ours, "count", {"all": []}, purpose=number, without=number, segment=number)
    assert (answer.status_code, answer.json()["purpose"], answer.json()["without"]) == (200, None, [])


def test_values_are_offered_with_how_many_have_them(ours: House, theirs: House, browser: Client) -> None:
    ours.new_device(browser="safari")
    ours.new_device(browser="firefox")
    key = f"contact.attributes.{ours.attribute.key}"
    assert values(browser, ours, field="device.browser")["values"] == [["firefox", 2], ["safari", 1]]
    assert values(browser, ours, field=key, q="PR") == {"values": [["pro", 1]], "exact": True, "have": None}
    assert values(browser, ours, field=key, q="x")["values"] == []
    assert values(browser, ours, field="contact.tags")["values"] == [["ours-tag", 1]]


@pytest.mark.parametrize(
    ("field", "have"),
    [("device.browser", "2"), ("contact.tags", "1"), ("engagement.shown", "0"), ("device.identified", "1"),
     ("consent.offers", "2"), ("contact.list", None), ("event", None), ("contact.nonsense", None)],
)  # fmt: skip
def test_the_picker_tells_how_many_devices_have_a_field(
    ours: House, browser: Client, field: str, have: str | None
) -> None:
    ours.new_device()
    assert values(browser, ours, field=field, about="")["have"] == have


def test_names_of_events_are_offered(ours: House, browser: Client) -> None:
    for name in ("cart_abandoned", "cart_abandoned", "visit"):
        Behaviour.objects.create(
            site_id=ours.site.pk, contact_id=ours.contact.pk, name=name, occurred_at=timezone.now()
        )
    assert values(browser, ours, field="event", q="cart")["values"] == [["cart_abandoned", 2]]


def test_the_sample_names_people_who_would_get_it(ours: House, browser: Client) -> None:
    ours.new_device(ours.contact)
    ours.new_device()
    found = asked(browser, ours, "sample", {"all": [FIREFOX]}, purpose=ours.offers.pk).json()
    assert [one["crm"] for one in found["people"]] == [ours.contact.external_id]
    assert found["people"][0]["name"] == "ours Anna"


def why(browser: Client, house: House, definition: Any, who: str, **more: Any) -> Any:
    return asked(browser, house, "why", definition, who=who, **more).json()


def test_why_tells_each_rule_with_what_was_found_and_the_steps_after_it(ours: House, browser: Client) -> None:
    other = ours.new_device(ours.contact, allowed=0, status=3, last_seen_at=timezone.now() - timedelta(days=9))
    definition = {"all": [FIREFOX, {"any": [{"field": "device.last_seen", "op": "within", "value": "2d"}]}]}
    found = why(browser, ours, definition, ours.contact.external_id, purpose=ours.offers.pk)
    assert (found["who"], found["contact"]) == ("ours Anna", ours.contact.pk)
    first, second = found["devices"]
    assert (first["reached"], second["reached"]) == (True, False)
    assert [(one["at"], one["depth"], one["verdict"], one["words"], one["found"]) for one in first["rules"][:2]] == [
        ("", 0, True, "All of these", None),
        ("/all/0", 1, True, "browser is Firefox", "firefox"),
    ]
    seen = second["rules"][3]
    assert (seen["at"], seen["verdict"]) == ("/all/1/any/0", False)
    assert str(timezone.localtime(other.last_seen_at).day) in seen["found"]
    assert {one["verdict"] for one in second["steps"]} == {False}
    assert "never asked" in second["steps"][0]["words"]


WRITTEN = {
    "none": None, "text": "pl", "texts": ["pl"], "number": 5, "numbers": [5], "date": "2026-03-31", "span": "30d",
    "boolean": True, "count": 1, "list": [],
}  # fmt: skip


def test_why_is_answered_whatever_the_rules_ask(ours: House, browser: Client) -> None:
    for kind in Attribute.Type.values:
        Attribute.objects.create(site=ours.site, key=kind, type=kind)
    rules = []
    for field in CATALOGUE.of_site(ours.site.pk):
        op, takes = next((op, one.takes) for op, one in field.operators.items())
        value = takes.choices[0][0] if takes.input == "choice" else WRITTEN[takes.input]
        value = public_ids.encode("lst", ours.contact_list.pk) if takes.input == "list" else value
        named = {"name": "bought"} if field.name == "event" else {}
        rules.append({"field": field.name, "op": op, **({} if value is None else {"value": value}), **named})
    found = why(browser, ours, {"any": rules}, ours.contact.external_id)
    assert len(found["devices"][0]["rules"]) == len(rules) + 1


def test_why_names_the_lists_that_somebody_stands_in(ours: House, browser: Client) -> None:
    other = ContactList.objects.create(site=ours.site, name="Partners")
    for one in (other, ours.contact_list):
        ContactListMember.objects.get_or_create(list=one, contact=ours.contact)
    rule = {"field": "contact.list", "op": "not_in", "value": [public_ids.encode("lst", other.pk)]}
    (line,) = why(browser, ours, rule, ours.contact.external_id)["devices"][0]["rules"]
    assert (line["verdict"], line["words"]) == (False, "not in the list “Partners”")
    assert line["found"] == ", ".join(sorted(["Partners", ours.contact_list.name]))


def test_why_finds_a_device_by_its_id(ours: House, browser: Client) -> None:
    alone = ours.new_device()
    found = why(browser, ours, {"all": [FIREFOX]}, public_ids.encode("dev", alone.pk))
    assert (found["contact"], len(found["devices"])) == (None, 1)


@pytest.mark.parametrize("who", ["", "nobody", "dev_nonsense", "theirs"])
def test_why_says_whom_it_does_not_know(ours: House, theirs: House, browser: Client, who: str) -> None:
    wanted = theirs.contact.external_id if who == "theirs" else who
    answer = asked(browser, ours, "why", {"all": []}, who=wanted)
    assert answer.status_code == 422
    assert "this CRM id" in answer.json()["error"] or "id" in answer.json()["error"]
    assert "ours" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("found", "figures", "few"),
    [
        (Preview(Waterfall(61_234, 60_911, 60_911, 60_911, 59_876, 41_203), error=0.031), 61_000, False),
        (Preview(None, few=True), None, True),
        (Preview(None), None, False),
    ],
)
def test_what_a_sample_says_is_told_as_such(
    ours: House,
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
    found: Preview,
    figures: int | None,
    few: bool,
) -> None:
    monkeypatch.setattr("campaigns.admin.segment_count.preview", lambda audience, token: found)
    said = asked(browser, ours, "count", {"all": []}).json()
    assert (said["figures"] and said["figures"]["matched"], said["few"], said["exact"]) == (figures, few, False)
    assert said["error"] == found.error


def test_a_newer_count_of_the_same_tab_ends_the_one_before(
    ours: House, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = []
    from campaigns.admin import segment_count  # noqa: PLC0415  (read after Django is set up)

    real = segment_count.preview
    monkeypatch.setattr(segment_count, "preview", lambda audience, token: tokens.append(token) or real(audience))
    for tab in ("one", "one", "two"):
        asked(browser, ours, "count", {"all": []}, tab=tab)
    asked(ours.browser("analyst"), ours, "count", {"all": []}, tab="one")
    assert tokens[0] == tokens[1]
    assert len(set(tokens)) == 3
