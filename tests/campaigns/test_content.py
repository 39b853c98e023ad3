import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from campaigns.content import ContentError, Renderer, parse_content
from campaigns.liquid_text import RenderFailed
from pushplatform.webpush.encryption import MAX_PLAINTEXT, PayloadTooLarge

pytestmark = pytest.mark.django_db

SITE = SimpleNamespace(
    name="Shop",
    icon_url="https://shop.example/i.png",
    default_language="en",
    home_url="",
    origins=["https://shop.example"],
)
MESSAGE = SimpleNamespace(pk=7 << 40, topic=None, options={}, created_at=datetime(2026, 1, 1, tzinfo=UTC))


def errors(raw):
    with pytest.raises(ContentError) as caught:
        parse_content(raw)
    return {(pointer, code) for pointer, code, _ in caught.value.errors}


def payload(raw, contact=None, device=None, params=None, message=MESSAGE, site=SITE):
    renderer = Renderer(parse_content(raw), site, message)
    text = renderer.render(contact or {}, device or {}, params or {}, receipt=b"r" * 43, click=b"c" * 43)
    return json.loads(text)


def test_the_payload_has_the_members_of_declarative_web_push_and_no_others(settings):
    settings.BASE_URL = "https://push.example"
    found = payload(
        {
            "title": "Hello",
            "body": None,
            "url": "https://shop.example/o/1",
            "actions": [{"action": "track", "title": "Track it", "url": "https://shop.example/t"}],
            "require_interaction": True,
        }
    )
    number = found["notification"]["tag"]
    assert number.startswith("msg_")
    assert found == {
        "web_push": 8030,
        "mutable": True,
        "notification": {
            "title": "Hello",
            "navigate": f"https://push.example/c/{'c' * 43}",
            "icon": "https://shop.example/i.png",
            "tag": number,
            "lang": "en",
            "dir": "auto",
            "mutable": True,
            "data": {
                "v": 1,
                "t": "r" * 43,
                "m": number,
                "url": "https://shop.example/o/1",
                "actions": {"track": "https://shop.example/t"},
            },
            "actions": [
                {"action": "track", "title": "Track it", "navigate": f"https://push.example/c/{'c' * 43}?a=track"}
            ],
            "requireInteraction": True,
        },
    }


def test_templates_are_filled_and_their_values_never_break_the_json():
    raw = {
        "title": 'Hello {{ contact.first_name | default: "you" }}, 100 %s',
        "body": "{% if params.n > 1 %}{{ params.n }} orders{% else %}one order{% endif %} on {{ device.browser }}",
    }
    found = payload(raw, {"first_name": 'An"na\n\\ %s é 🎉'}, {"browser": "Firefox"}, {"n": 2})["notification"]
    assert found["title"] == 'Hello An"na\n\\ %s é 🎉, 100 %s'
    assert found["body"] == "2 orders on Firefox"
    assert payload(raw)["notification"]["title"] == "Hello you, 100 %s"


def test_a_member_that_becomes_empty_is_left_out_and_an_empty_title_gives_way_to_the_sites_name():
    found = payload({"title": "{{ params.t }}", "body": "{{ params.b }}", "image": "{{ params.i }}"})["notification"]
    assert found["title"] == "Shop"
    assert "body" not in found
    assert "image" not in found
    assert (
        "image" not in payload({"title": "t", "image": "{{ params.i }}"}, params={"i": "javascript:1"})["notification"]
    )


def test_one_renderer_gives_each_device_its_own_payload():
    renderer = Renderer(parse_content({"title": "{{ params.n }}", "body": "{{ contact.b }}"}), SITE, MESSAGE)
    titles = [
        json.loads(renderer.render({"b": "x" * n}, {}, {"n": n}))["notification"] for n in (1, 0, 2)
    ]  # the second has no body: that must not stick to the third
    assert [(one["title"], one.get("body")) for one in titles] == [("1", "x"), ("0", None), ("2", "xx")]


def test_the_language_is_the_browsers_else_the_persons_else_the_sites():
    raw = {
        "title": "Hello",
        "body": "Body",
        "actions": [{"action": "go", "title": "Go", "url": "https://shop.example/go"}],
        "translations": {
            "pl": {"title": "Cześć", "actions": [{"action": "go", "title": "Idź"}]},
            "pt-BR": {"title": "Olá"},
        },
    }
    renderer = Renderer(parse_content(raw), SITE, MESSAGE)

    def title(device, contact=None):
        return json.loads(renderer.render({"language": contact}, {"language": device}, {}))["notification"]["title"]

    assert title("pl-PL") == "Cześć"
    assert title("pt_br") == title("pt") == "Olá"
    assert title("de", "pl") == "Cześć"
    assert title("en-US", "pl") == "Hello"
    assert title(None) == title("de", "fr") == "Hello"
    polish = payload(raw, device={"language": "PL"})["notification"]
    assert (polish["lang"], polish["body"]) == ("pl", "Body")
    assert polish["actions"][0]["title"] == "Idź"
    assert polish["data"]["actions"] == {"go": "https://shop.example/go"}


def test_a_rendered_address_keeps_its_host_and_is_escaped():
    raw = {"title": "t", "url": "https://shop.example/o/{{ params.no }}"}
    assert payload(raw, params={"no": "1 2/é"})["notification"]["data"]["url"] == "https://shop.example/o/1%202/%C3%A9"
    assert payload(raw, params={"no": "@evil.example"})["notification"]["data"]["url"].startswith(
        "https://shop.example/o/"
    )


def test_a_host_made_by_a_template_leads_home_and_the_author_is_told():
    content = parse_content({"title": "t", "url": "{{ params.url }}"})
    assert [(pointer, code) for pointer, code, _ in content.warnings] == [("/url", "host_not_literal")]
    found = payload({"title": "t", "url": "{{ params.url }}"}, params={"url": "https://evil.example/"})
    assert found["notification"]["data"]["url"] == "https://shop.example/"
    assert errors({"title": "t", "url": "https://shop.example{{ params.rest }}"}) == {("/url", "invalid_url")}


def test_a_click_leads_to_the_button_or_the_notification_or_home():
    raw = {"title": "t", "actions": [{"action": "a", "title": "A", "url": "https://shop.example/{{ params.x }}"}]}
    renderer = Renderer(parse_content(raw | {"url": "https://shop.example/n"}), SITE, MESSAGE)
    assert renderer.target({}, {}, {"x": "1"}, "a") == "https://shop.example/1"
    assert renderer.target({}, {}, {}, "unknown") == "https://shop.example/n"
    assert Renderer(parse_content({"title": "t"}), SITE, None).target({}, {}, {}) == "https://shop.example/"


def test_a_collapse_key_is_the_tag_and_a_large_campaign_spreads_its_reports():
    message = SimpleNamespace(pk=7 << 40, topic="T" * 32, options={"spread": 20})
    found = payload({"title": "t"}, message=message)["notification"]
    assert found["tag"] == "T" * 32
    assert found["data"]["s"] == 20


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        (None, "", "invalid_type"),
        ({}, "/title", "required"),
        ({"title": ""}, "/title", "required"),
        ({"title": 5}, "/title", "invalid_type"),
        ({"title": "x" * 4001}, "/title", "payload_too_large"),
        ({"title": "x" * 3990 + "{{ params.x }}"}, "/title", "too_long"),
        ({"title": "\x00"}, "/title", "invalid_text"),
        ({"title": "\ud800"}, "/title", "invalid_text"),
        ({"title": "{{ contact.name "}, "/title", "invalid_template"),
        ({"title": "{% if x %}"}, "/title", "invalid_template"),
        ({"title": "{{ contact.name | shout }}"}, "/title", "invalid_template"),
        ({"title": "{% include 'a' %}"}, "/title", "invalid_template"),
        ({"title": "t", "url": "javascript:alert(1)"}, "/url", "invalid_url"),
        ({"title": "t", "url": "/o/1"}, "/url", "invalid_url"),
        ({"title": "t", "url": "https://shop.example\\@evil.example/"}, "/url", "invalid_url"),
        ({"title": "t", "icon": "data:image/png;base64,"}, "/icon", "invalid_url"),
        ({"title": "t", "text": "x"}, "/text", "unknown_field"),
        ({"title": "t", "a/b~": "x"}, "/a~1b~0", "unknown_field"),
        ({"title": "t", "require_interaction": "yes"}, "/require_interaction", "invalid_type"),
        ({"title": "t", "actions": {}}, "/actions", "invalid_type"),
        ({"title": "t", "actions": [{"action": "a", "title": "A"}] * 5}, "/actions", "too_many"),
        ({"title": "t", "actions": [{"action": "a", "title": "A"}] * 2}, "/actions/1/action", "duplicate"),
        ({"title": "t", "actions": [{"action": "a b", "title": "A"}]}, "/actions/0/action", "invalid_action"),
        ({"title": "t", "actions": [{"action": "a"}]}, "/actions/0/title", "required"),
        ({"title": "t", "translations": {"polish!": {}}}, "/translations/polish!", "invalid_language"),
        ({"title": "t", "translations": {"pl": {"title": "{{"}}}, "/translations/pl/title", "invalid_template"),
        ({"title": "t", "body": "b" * 3990}, "", "payload_too_large"),
        ({"title": "t", "translations": {"pl": {"body": "b" * 3990}}}, "/translations/pl", "payload_too_large"),
    ],
)
def test_broken_content_is_refused_where_it_is_broken(raw, pointer, code):
    assert (pointer, code) in errors(raw)


def test_every_problem_is_told_at_once():
    assert errors({"title": "{{", "url": "x", "nope": 1}) == {
        ("/title", "invalid_template"),
        ("/url", "invalid_url"),
        ("/nope", "unknown_field"),
    }


def test_no_content_takes_long_to_be_read_however_many_texts_it_has():
    text = "{{ params.a }}" * 285  # nearly as long as one text may be
    raw = {"title": "Hello", "translations": {f"x{letter}": {"body": text} for letter in "abcdefghijklmnopqrstuvwxyz"}}
    with pytest.raises(ContentError) as caught:
        parse_content(raw)
    assert [(pointer, code) for pointer, code, _ in caught.value.errors] == [("", "too_long")]


def test_unknown_variables_and_large_payloads_are_warned_of():
    content = parse_content({"title": "{{ first_name }}", "body": "b" * 2700})
    assert {code for _, code, _ in content.warnings} == {"unknown_variable", "payload_large"}


def test_data_that_a_template_cannot_use_fails_that_device_alone():
    renderer = Renderer(parse_content({"title": "{{ 10 | divided_by: params.n }}"}), SITE, MESSAGE)
    with pytest.raises(RenderFailed, match="divide by 0"):
        renderer.render({}, {}, {"n": 0})
    assert json.loads(renderer.render({}, {}, {"n": 5}))["notification"]["title"] == "2"


def test_a_payload_of_exactly_the_limit_passes_and_one_octet_more_does_not():
    renderer = Renderer(parse_content({"title": "{{ params.t }}"}), SITE, MESSAGE)
    rest = MAX_PLAINTEXT - len(renderer.render({}, {}, {"t": "x"})) + 1
    assert len(renderer.render({}, {}, {"t": "x" * rest})) == MAX_PLAINTEXT
    with pytest.raises(PayloadTooLarge):
        renderer.render({}, {}, {"t": "x" * (rest + 1)})


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{{ (1..1000000000) | join: '' | size }}",
        "{% assign x = 'aaaaaaaaaa' %}{% for i in (1..40) %}{% assign x = x | append: x %}{% endfor %}{{ x | size }}",
        "{{ 'x'" + " | replace: '', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy'" * 9 + " | size }}",
    ],
)
def test_a_template_cannot_use_up_time_or_memory(template):
    with pytest.raises(RenderFailed):
        Renderer(parse_content({"title": template}), SITE, MESSAGE).render({}, {}, {})


def test_the_content_says_what_its_templates_read():
    raw = {"title": "{{ params.a }}", "actions": [{"action": "a", "title": "{{ device.os }}"}]}
    assert parse_content(raw).reads.keys() == {"params", "device"}
    assert parse_content({"title": "plain"}).reads == {}


def test_what_one_persons_data_make_is_never_given_to_another():
    renderer = Renderer(
        parse_content({"title": "{{ contact.a | default: 1 }}/{{ contact.b.c }}", "body": "{{ params.d }}"}), SITE
    )
    people = [
        {"a": 1, "b": {"c": "x"}},
        {"a": 1, "b": {"c": "y"}},
        {"a": 1},
        {"a": True},
        {"a": 1.0},
        {"a": "1"},
        {"a": None},
        {},
        {"a": [1]},
        {"a": "50 % {{ off }} %(click)b"},
    ]
    for _ in range(2):  # the second time from what was kept
        for contact in people:
            alone = Renderer(renderer.content, SITE)
            assert renderer.render(contact, {}, {"d": "é"}) == alone.render(contact, {}, {"d": "é"})
        assert json.loads(renderer.render({"a": "x", "b": {"c": 1}}, {}, {}))["notification"]["title"] == "x/1"


def test_a_text_that_tells_the_time_is_rendered_each_time():
    for template in ("{{ 'now' | date: '%f' }}", "{{ contact.when | date: '%f' }}", "{{ now }}"):
        renderer = Renderer(parse_content({"title": template}), SITE)
        assert len({renderer.render({"when": "now"}, {}, {}) for _ in range(3)}) == 3


def test_a_template_that_reads_a_whole_person_sees_all_of_them():
    renderer = Renderer(
        parse_content({"title": "{{ contact.size }}{% for one in contact %}{{ one[0] }}{% endfor %}"}), SITE
    )
    titles = [
        json.loads(renderer.render(dict.fromkeys(names, ""), {}, {}))["notification"]["title"] for names in ("a", "ab")
    ]
    assert titles == ["1a", "2ab"]
