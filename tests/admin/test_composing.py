"""A marketer writes a draft: what is kept, what it looks like, how many it reaches, what is wrong with it."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from campaigns import audience
from campaigns.admin import device_words
from campaigns.content import Renderer, parse_content
from campaigns.models import Campaign
from tests.admin.drafts import fields, said, saved
from tests.admin.house import House


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("marketer")


def ask(browser: Client, house: House, name: str, **changes: Any) -> Any:
    path = f"{reverse(f'admin:campaigns_campaign_{name}')}?_site={house.site.pk}"
    return browser.post(path, fields(house, **changes))


def test_a_draft_is_kept_as_content_options_and_segments(ours: House, browser: Client) -> None:
    staff = ours.new_segment("Staff", {"all": [{"field": "contact.tags", "op": "has", "value": "staff"}]})
    campaign = saved(
        ours, browser, excluded=[staff.pk], button_1_title="See it", button_1_url="https://shop.example/see",
        translation_language=["pl"], translation_title=["Cześć"], translation_body=[""], translation_url=[""],
        collapse_key="autumn", require_interaction="on", devices="latest",
    )  # fmt: skip
    assert campaign.site == ours.site
    assert campaign.status == Campaign.Status.DRAFT
    assert campaign.created_by == ours.user("marketer")
    assert campaign.content == {
        "title": "Hello {{ contact.first_name | default: 'you' }}",
        "body": "Wool and linen",
        "url": "https://shop.example/autumn",
        "actions": [{"action": "see-it", "title": "See it", "url": "https://shop.example/see"}],
        "require_interaction": True,
        "translations": {"pl": {"title": "Cześć"}},
    }
    assert campaign.options == {"devices": "latest", "urgency": "normal", "ttl": 28_800, "collapse_key": "autumn"}
    rows = set(campaign.campaign_segments.values_list("segment_id", "excluded"))
    assert rows == {(ours.segment.pk, False), (staff.pk, True)}


def test_a_saved_draft_comes_back_as_it_was(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser, life="until", expires_at="2099-12-31T18:00", translation_language=["pl"],
                     translation_title=["Cześć"], translation_body=["x"], translation_url=[""])  # fmt: skip
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    for text in ('value="2099-12-31T18:00"', "Cześć", "Wool and linen", 'value="https://shop.example/autumn"'):
        assert text in page
    before = Campaign.objects.values().get(pk=campaign.pk)
    again = fields(ours, life="until", expires_at="2099-12-31T18:00", translation_language=["pl"],
                   translation_title=["Cześć"], translation_body=["x"], translation_url=[""])  # fmt: skip
    browser.post(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), again)
    assert Campaign.objects.values().get(pk=campaign.pk) == before


def test_everyone_can_be_chosen_where_no_such_segment_is_there_yet(ours: House, browser: Client) -> None:
    ours.segment.definition = {"all": [{"field": "contact.tags", "op": "has", "value": "x"}]}
    ours.segment.save()
    first = saved(ours, browser, segments=["everyone"])
    again = saved(ours, browser, segments=[first.segments.get().pk])
    assert again.segments.get() == first.segments.get()
    assert LogEntry.objects.get(content_type__model="segment").object_id == str(first.segments.get().pk)
    assert ours.site.segments.filter(definition={"all": []}).count() == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"title": ""}, "title: A notification needs a title."),
        ({"title": "Hello {{ contact.name"}, "title: The Liquid is broken"),
        ({"body": "{% if %}"}, "body: The Liquid is broken"),
        ({"url": "shop.example"}, "url: It must be an absolute https:// address"),
        ({"image": "picture.png"}, "image: It must be an absolute https:// address"),
        ({"button_2_title": "Go", "button_2_url": "nowhere"}, "button_1_url: It must be"),
        ({"button_1_url": "https://shop.example/"}, "button_1_title: A button needs a title."),
        ({"segments": []}, "segments: Choose a segment"),
        ({"life": "until", "expires_at": "2020-01-01T10:00"}, "expires_at: It must be later"),
        ({"ttl_number": 40_000, "ttl_unit": "days"}, "ttl_number: It must be a whole number of seconds"),
        ({"translation_language": ["pl"], "translation_title": ["{{"], "translation_body": [""],
          "translation_url": [""]}, "translation-0: The Liquid is broken"),
    ],
)  # fmt: skip
def test_what_cannot_be_launched_is_kept_and_says_why_beside_its_field(
    ours: House, browser: Client, changes: dict[str, Any], expected: str
) -> None:
    campaign = saved(ours, browser, **changes)
    errors = said(browser.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content)
    assert any(error.startswith(expected) for error in errors), errors


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": ""}, "name: This field is required."),
        ({"purpose": ""}, "purpose: This field is required."),
        ({"purpose": "999999"}, "purpose: Select a valid choice"),
        ({"segments": ["999999"]}, "segments: Select a valid choice"),
        ({"life": "until", "expires_at": "tomorrow"}, "expires_at: This is no date and time"),
        ({"ttl_number": ""}, "ttl_number: Say for how long"),
        ({"ttl_number": "-1"}, "ttl_number: Ensure this value is greater"),
        ({"translation_language": [""], "translation_title": ["x"], "translation_body": [""],
          "translation_url": [""]}, "translation-0: Which language?"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_says_why_and_loses_nothing_typed(
    ours: House, browser: Client, changes: dict[str, Any], expected: str
) -> None:
    before = Campaign.objects.count()
    path = f"{reverse('admin:campaigns_campaign_add')}?_site={ours.site.pk}"
    answer = browser.post(path, fields(ours, **changes))
    assert answer.status_code == 200
    errors = said(answer.content)
    assert any(error.startswith(expected) for error in errors), errors
    assert "Wool and linen" in answer.content.decode()
    assert Campaign.objects.count() == before


def test_a_segment_both_wanted_and_left_out_is_refused(ours: House, browser: Client) -> None:
    path = f"{reverse('admin:campaigns_campaign_add')}?_site={ours.site.pk}"
    answer = browser.post(path, fields(ours, excluded=[ours.segment.pk]))
    assert "excluded: ours everyone is both wanted and left out. Choose one." in said(answer.content)


def test_the_preview_is_what_will_be_sent_to_that_contact(ours: House, browser: Client) -> None:
    answer = ask(browser, ours, "preview", **{"as": ours.contact.external_id}).json()
    assert answer["as"]["external_id"] == ours.contact.external_id
    assert answer["notification"]["title"] == "Hello ours Anna"
    content = parse_content({"title": fields(ours)["title"], "body": "Wool and linen", "url": fields(ours)["url"]})
    payload = Renderer(content, ours.site).render({"first_name": "ours Anna"}, {"language": "en"}, {})
    assert answer["octets"] == len(payload)
    assert answer["notification"]["target"] == "https://shop.example/autumn"


def test_the_preview_steps_from_contact_to_contact(ours: House, browser: Client) -> None:
    second = ours.new_contact(external_id="zz-last", attributes={"first_name": "Zofia"})
    ours.new_device(second)
    ours.new_contact(external_id="without-a-device")
    nobody = ask(browser, ours, "preview").json()
    assert nobody["notification"]["title"] == "Hello you"
    assert nobody["as"]["next"] == ours.contact.external_id
    step = ask(browser, ours, "preview", **{"as": ours.contact.external_id, "step": "next"}).json()
    assert (step["as"]["external_id"], step["as"]["next"]) == ("zz-last", None)
    assert step["notification"]["title"] == "Hello Zofia"


def test_the_preview_says_what_is_wrong_by_field(ours: House, browser: Client) -> None:
    answer = ask(browser, ours, "preview", title="{{ contact.", body="{{ nothing.at.all }}").json()
    assert set(answer["problems"]) == {"title"}
    assert "notification" not in answer
    assert ask(browser, ours, "preview", body="{{ nothing }}").json()["warnings"]["body"]


def test_the_preview_of_an_unknown_contact_says_so(ours: House, browser: Client) -> None:
    answer = ask(browser, ours, "preview", **{"as": "nobody-here"})
    assert answer.status_code == 422
    assert answer.json()["error"] == "No contact has the CRM id nobody-here."


def test_a_preview_carries_no_token_of_the_payload(ours: House, browser: Client) -> None:
    assert "t" * 10 not in ask(browser, ours, "preview").content.decode()


def test_the_count_is_the_audiences_own(ours: House, browser: Client) -> None:
    for _ in range(3):
        ours.new_device(ours.contact)
    ours.new_device(allowed=0)
    ours.new_device(status=3)
    counted = ask(browser, ours, "count", devices="latest").json()
    expected = audience.count(ours.site.pk, [ours.segment.pk], [], ours.offers, "latest")
    assert {name: counted[name] for name in expected._fields} == expected._asdict()
    assert (expected.matched, expected.with_consent, expected.active, expected.after_device_choice) == (6, 5, 4, 1)


@pytest.mark.parametrize(
    ("devices", "words", "number"),
    [
        ("most_engaged", "Only the device on which each person clicked most", 1),
        ({"browser": ["safari"]}, "Only devices with Safari", 1),
        ({"form": ["desktop", "tablet"], "browser": ["firefox"]}, "Only computers or tablets with Firefox", 2),
    ],
)
def test_a_campaign_may_go_to_some_devices_of_each_person(
    ours: House, browser: Client, devices: Any, words: str, number: int
) -> None:
    ours.new_device(ours.contact)
    ours.new_device(ours.contact, browser="safari")
    ours.new_device(ours.contact, form="mobile")
    value = device_words.text_of(devices)
    campaign = saved(ours, browser, devices=value)
    assert campaign.options["devices"] == devices
    assert ask(browser, ours, "count", devices=value).json()["after_device_choice"] == number
    path = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    shown = browser.get(f"{path}?launch=1")
    assert shown.context["form"]["devices"].value() == value
    assert words in shown.content.decode().split('id="launch-dialog"')[1].split("</dialog>")[0]


@pytest.mark.parametrize("devices", ['{"form": ["toaster"]}', '{"form"', "[]", "oldest", "[" * 5000])
def test_devices_that_no_rule_chooses_are_refused_beside_their_field(
    ours: House, browser: Client, devices: str
) -> None:
    path = f"{reverse('admin:campaigns_campaign_add')}?_site={ours.site.pk}"
    errors = said(browser.post(path, fields(ours, devices=devices)).content)
    assert [error for error in errors if error.startswith("devices: ")]


def test_the_count_asks_for_what_is_missing(ours: House, browser: Client) -> None:
    assert "missing" in ask(browser, ours, "count", segments=[]).json()


def test_a_broken_segment_is_named_and_not_counted(ours: House, browser: Client) -> None:
    ours.segment.definition = {"all": [{"field": "contact.nonsense", "op": "eq", "value": 1}]}
    ours.segment.save()
    answer = ask(browser, ours, "count")
    assert answer.status_code == 422
    assert "nonsense" in answer.json()["error"]
