"""Segments: what is refused, what is matched, and the SQL against a plain evaluation of random rules."""

import pytest
from django.db import connection

from campaigns import segment_picker
from campaigns.segment_fields import CATALOGUE, parse, understand
from campaigns.segment_picker import picker, suggest
from campaigns.statement_limits import TimedOut
from pushplatform.sites import public_ids
from subscribers import segments
from subscribers.models import Attribute, Contact, Segment
from tests.subscribers.people import new_contact, new_device
from tests.subscribers.segment_rows import ids_of


@pytest.fixture
def attributes(site):
    for key, type_ in (
        ("plan", "string"),
        ("ltv", "number"),
        ("vip", "boolean"),
        ("since", "date"),
        ("likes", "strings"),
    ):
        Attribute.objects.create(site=site, key=key, type=type_)


def faults(definition, site, **options):
    with pytest.raises(segments.DefinitionError) as refused:
        segments.parse(definition, site.id, **options)
    return [(pointer, code) for pointer, code, _ in refused.value.errors]


def test_all_of_nothing_is_everyone_also_without_a_contact(site, other_site):
    device = new_device(site)
    new_device(other_site)
    assert ids_of({"all": []}, site) == {device.id}


def test_anonymous_browsers_match_what_is_not_known_of_them(site, attributes):
    anonymous, known = new_device(site), new_device(site, contact=new_contact(site, attributes={"plan": "pro"}))
    plan = "contact.attributes.plan"
    assert ids_of({"field": plan, "op": "eq", "value": "pro"}, site) == {known.id}
    assert ids_of({"not": {"field": plan, "op": "eq", "value": "pro"}}, site) == {anonymous.id}
    assert ids_of({"field": plan, "op": "ne", "value": "pro"}, site) == {anonymous.id}
    assert ids_of({"not": {"not": {"field": plan, "op": "is_not_set"}}}, site) == {anonymous.id}


def test_a_purpose_is_asked_by_its_key(site, purpose):
    bit = purpose("offers").bit
    yes, no = new_device(site, allowed=1 << bit), new_device(site, allowed=~(1 << bit) & 7)
    assert ids_of({"field": "consent.offers", "op": "eq", "value": True}, site) == {yes.id}
    assert ids_of({"field": "consent.offers", "op": "eq", "value": False}, site) == {no.id}


def test_a_language_matches_its_regions(site):
    polish, german = new_device(site, language="pl-PL"), new_device(site, language="de")
    new_device(site, language="plt")
    assert ids_of({"field": "device.language", "op": "in", "value": ["pl", "DE"]}, site) == {polish.id, german.id}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({}, [("", "empty_definition")]),
        ([], [("", "empty_definition")]),
        (None, [("", "empty_definition")]),
        ({"all": {}}, [("/all", "invalid_type")]),
        ({"any": []}, [("/any", "empty_any")]),
        ({"all": [], "any": []}, [("", "invalid_rule")]),
        ({"all": ["x"]}, [("/all/0", "invalid_rule")]),
        ({"all": [], "extra": 1}, [("/extra", "unknown_member")]),
        ({"field": "device.shoe"}, [("/field", "unknown_field")]),
        ({"field": ["device.browser"]}, [("/field", "invalid_type")]),
        ({"field": "contact.attributes.nope", "op": "eq", "value": 1}, [("/field", "unknown_attribute")]),
        ({"field": "consent.nope", "op": "eq", "value": True}, [("/field", "unknown_purpose")]),
        ({"field": "device.browser", "op": "gt", "value": "x"}, [("/op", "unknown_operator")]),
        ({"field": "device.browser", "op": "eq"}, [("/value", "required")]),
        ({"field": "device.browser", "op": "eq", "value": "netscape"}, [("/value", "unknown_value")]),
        ({"field": "device.browser", "op": "in", "value": []}, [("/value", "invalid_value")]),
        ({"field": "device.browser", "op": "eq", "value": "edge", "within": "7d"}, [("/within", "unknown_member")]),
        ({"field": "device.last_seen", "op": "within", "value": "soon"}, [("/value", "invalid_type")]),
        ({"field": "device.last_seen", "op": "within", "value": "0d"}, [("/value", "invalid_type")]),
        ({"field": "device.last_seen", "op": "within", "value": "99999d"}, [("/value", "invalid_type")]),
        ({"field": "device.last_seen", "op": "before", "value": "2026-01-01T10:00"}, [("/value", "invalid_type")]),
        ({"field": "contact.attributes.ltv", "op": "gt", "value": "5"}, [("/value", "invalid_type")]),
        ({"field": "contact.attributes.ltv", "op": "gt", "value": True}, [("/value", "invalid_type")]),
        ({"field": "contact.attributes.vip", "op": "eq", "value": 1}, [("/value", "invalid_type")]),
        ({"field": "contact.attributes.since", "op": "lt", "value": "2026-02-30"}, [("/value", "invalid_type")]),
        ({"field": "contact.attributes.plan", "op": "eq", "value": "a\0"}, [("/value", "invalid_type")]),
        ({"field": "contact.attributes.likes", "op": "eq", "value": "a"}, [("/op", "unknown_operator")]),
        ({"segment": "seg_nope"}, [("/segment", "unknown_segment")]),
        ({"segment": 7}, [("/segment", "unknown_segment")]),
        (
            {"all": [{"field": "device.shoe"}, {"not": {"any": [{"field": "device.os", "op": "eq", "value": 1}]}}]},
            [("/all/0/field", "unknown_field"), ("/all/1/not/any/0/value", "invalid_type")],
        ),
    ],
)
def test_a_definition_that_cannot_be_understood_names_each_wrong_rule(site, attributes, definition, expected):
    assert faults(definition, site) == expected


def nested(depth):
    rule = {"all": []}
    for _ in range(depth - 1):
        rule = {"not": rule}
    return rule


def test_groups_nest_ten_deep_and_no_deeper(site):
    segments.parse(nested(10), site.id)
    assert faults(nested(11), site) == [("/not" * 10, "too_deep")]


def test_a_segment_has_at_most_200_rules(site):
    rule = {"field": "device.subscribed", "op": "eq", "value": True}
    segments.parse({"all": [rule] * 199}, site.id)
    assert faults({"all": [rule] * 300}, site) == [("/all/199", "too_many_rules")]


def saved(site, definition, name="Saved"):
    segment = Segment.objects.create(site=site, name=name, definition=definition)
    return segment, {"segment": public_ids.encode("seg", segment.id)}


def test_a_segment_may_refer_to_another_of_its_site_only(site, other_site):
    device = new_device(site, browser="firefox")
    new_device(site, browser="chrome")
    firefox = {"field": "device.browser", "op": "eq", "value": "firefox"}
    _, reference = saved(site, firefox)
    assert ids_of({"all": [reference, reference]}, site) == {device.id}
    assert faults(saved(other_site, firefox)[1], site) == [("/segment", "unknown_segment")]


def test_a_cycle_of_segments_is_found(site):
    first, to_first = saved(site, {"all": []}, "First")
    _, to_second = saved(site, {"all": [to_first]}, "Second")
    assert faults({"any": [to_second]}, site, segment_id=first.id) == [("/any/0/segment", "segment_cycle")]
    first.definition = {"not": to_second}
    first.save()
    assert faults(to_first, site) == [("/segment", "segment_cycle")]


def test_references_cannot_multiply_without_end(site):
    _, reference = saved(site, {"all": []})
    for number in range(5):
        _, reference = saved(site, {"all": [reference] * 9}, f"Level {number}")
    assert faults(reference, site) == [("/segment", "too_many_rules")]


def test_a_broken_segment_is_named_where_it_is_used(site):
    _, reference = saved(site, {"field": "device.shoe"}, "Shoes")
    with pytest.raises(segments.DefinitionError, match=r"Shoes.*device\.shoe"):
        segments.parse({"all": [reference]}, site.id)


def test_a_segment_that_is_not_understood_any_more_matches_nobody_and_says_so(site):
    new_device(site)
    found = segments.understand({"not": {"field": "contact.attributes.gone", "op": "eq", "value": 1}}, site.id)
    assert "gone" in found.problem
    assert (segments.compile_rule(found.rule).condition, segments.describe(found.rule)) == ("false", "nobody")
    assert segments.understand({"all": []}, site.id).problem == ""


def test_equality_of_an_attribute_uses_the_index(site, attributes):
    rule = segments.parse({"field": "contact.attributes.plan", "op": "in", "value": ["pro", "team"]}, site.id)
    _, _, sql, parameters = segments.compile_rule(rule)
    Contact.objects.bulk_create(Contact(site=site, external_id=f"CRM-{n}") for n in range(3000))
    with connection.cursor() as cursor:
        cursor.execute("analyze contact")
        cursor.execute("set local enable_seqscan = off")
        cursor.execute(f"explain select c.id from contact c where {sql}", parameters)
        assert "contact_attributes" in "\n".join(row[0] for row in cursor.fetchall())


def test_a_definition_is_said_in_words(site, attributes):
    definition = {
        "all": [
            {"field": "contact.attributes.plan", "op": "in", "value": ["pro", "team"]},
            {
                "any": [
                    {"field": "device.browser", "op": "eq", "value": "firefox"},
                    {"field": "device.last_seen", "op": "within", "value": "30d"},
                ]
            },
            {"not": {"field": "consent.offers", "op": "eq", "value": True}},
        ]
    }
    assert segments.describe(segments.parse(definition, site.id)) == (
        "plan is pro or team, and (browser is Firefox, or last seen within the last 30 days),"
        " and consent to Offers was not given"
    )
    assert segments.describe(segments.parse({"all": []}, site.id)) == "everyone"


CLICKS = {"field": "engagement.clicked_count", "op": "gte", "value": 3}
BOUGHT = {"field": "event", "name": "bought", "op": "within", "value": "2d"}
SINCE = "contact.attributes.since"


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"field": "engagement.opened", "op": "is_set"}, ("/field", "unknown_engagement")),
        ({"field": "engagement.clicked_counts", "op": "gte", "value": 1}, ("/field", "unknown_engagement")),
        (CLICKS | {"op": "within", "value": "3d"}, ("/op", "unknown_operator")),
        (CLICKS | {"value": 10_001}, ("/value", "invalid_type")),
        (CLICKS | {"value": True}, ("/value", "invalid_type")),
        (CLICKS | {"op": "between", "value": [3, 1]}, ("/value", "invalid_value")),
        (CLICKS | {"op": "between", "value": [1, 2, 3]}, ("/value", "invalid_value")),
        (CLICKS | {"within": "a while"}, ("/within", "invalid_type")),
        (CLICKS | {"within": None}, ("/within", "invalid_type")),
        (CLICKS | {"campaign": 7}, ("/campaign", "unknown_campaign")),
        (CLICKS | {"a/b~c": 1}, ("/a~1b~0c", "unknown_member")),
        ({"field": "event", "op": "within", "value": "2d"}, ("/name", "required")),
        (BOUGHT | {"name": "x" * 65}, ("/name", "required")),
        (BOUGHT | {"where": {}}, ("/where", "invalid_value")),
        (BOUGHT | {"where": [{"property": "total", "op": "is_set"}] * 11}, ("/where", "invalid_value")),
        (BOUGHT | {"where": ["total"]}, ("/where/0", "invalid_type")),
        (BOUGHT | {"where": [{"op": "eq", "value": 1}]}, ("/where/0/property", "required")),
        (BOUGHT | {"where": [{"property": "total", "op": "gt", "value": "5"}]}, ("/where/0/value", "invalid_type")),
        (BOUGHT | {"where": [{"property": "a", "op": "is_set", "value": 1}]}, ("/where/0/value", "unknown_member")),
        (BOUGHT | {"where": [{"property": "a", "op": "in", "value": [1, None]}]}, ("/where/0/value/1", "invalid_type")),
        ({"field": "contact.list", "op": "in", "value": ["lst_x"]}, ("/value/0", "unknown_list")),
        ({"field": "contact.list", "op": "eq", "value": 7}, ("/value", "unknown_list")),
        ({"field": "consent.offers", "op": "eq", "value": "maybe"}, ("/value", "invalid_type")),
        ({"field": "consent.offers.since", "op": "within", "value": "2d"}, ("/field", "unknown_purpose")),
        ({"field": SINCE, "op": "within", "value": "36h"}, ("/value", "invalid_type")),
        ({"field": SINCE, "op": "anniversary", "value": 366}, ("/value", "invalid_type")),
        ({"field": SINCE, "op": "between", "value": ["2026-02-01", "2026-01-01"]}, ("/value", "invalid_value")),
        ({"field": "device.last_seen", "op": "on", "value": "2026-01-01T10:00:00Z"}, ("/value", "invalid_type")),
        ({"field": "device.last_seen", "op": "before", "value": "9999-12-31"}, ("/value", "invalid_value")),
        ({"field": "device.last_seen", "op": "between", "value": ["2026-02-01", "2026-01-01"]},
         ("/value", "invalid_value")),
        ({"field": "device.browser_version", "op": "gte", "value": "128"}, ("/value", "invalid_type")),
        ({"field": "contact.attributes.ltv", "op": "gt", "value": 10**400}, ("/value", "invalid_type")),
        ({"field": "device.tags", "op": "has", "value": "\ud800"}, ("/value", "invalid_type")),
        ({"field": "x" * 5000, "op": "eq", "value": 1}, ("/field", "unknown_field")),
    ],
)  # fmt: skip
def test_a_rule_with_more_than_a_value_is_refused_at_the_very_member(site, attributes, purpose, definition, expected):
    with pytest.raises(segments.DefinitionError) as refused:
        parse({"all": [{"all": []}, definition]}, site.id)
    pointer, code = expected
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [(f"/all/1{pointer}", code)]


@pytest.mark.parametrize("text", ["%", "_", ".*", "'; drop table device; --", '"', "\\", "%s", "{}", "$1", "a%%b"])
def test_signs_of_patterns_and_of_sql_are_letters(site, attributes, text):
    plain = new_device(site, contact=new_contact(site, attributes={"plan": "pro"}))
    odd = new_device(site, contact=new_contact(site, attributes={"plan": f"x{text}y"}, tags=[text]))
    plan = "contact.attributes.plan"
    for field, op, value in (
        (plan, "contains", text),
        (plan, "starts_with", f"X{text}"),
        (plan, "eq", f"x{text}y"),
        (plan, "in", [f"x{text}y", "z"]),
        ("contact.tags", "has", text),
    ):
        assert ids_of({"field": field, "op": op, "value": value}, site) == {odd.id}
        assert ids_of({"not": {"field": field, "op": op, "value": value}}, site) == {plain.id}


@pytest.mark.parametrize(("change", "word"), [({"key": "tariff"}, "plan"), ({"type": "number"}, "number")])
def test_an_attribute_renamed_or_retyped_after_saving_matches_nobody_and_says_so(site, attributes, change, word):
    new_device(site, contact=new_contact(site, attributes={"plan": "pro"}))
    segment, _ = saved(site, {"not": {"field": "contact.attributes.plan", "op": "eq", "value": "pro"}})
    Attribute.objects.filter(site=site, key="plan").update(**change)
    found = understand(segment.definition, site.id)
    assert word in found.problem
    assert segments.compile_rule(found.rule).condition == "false"


def test_a_day_is_one_of_the_sites_own(site):
    type(site).objects.filter(pk=site.pk).update(time_zone="Pacific/Auckland")
    device = new_device(site, last_seen_at="2026-05-01T12:30:00Z")  # the 2 May in Auckland
    for op, value, expected in (
        ("on", "2026-05-02", {device.id}),
        ("on", "2026-05-01", set()),
        ("after", "2026-05-01", {device.id}),
        ("before", "2026-05-02", set()),
        ("between", ["2026-05-02", "2026-05-02"], {device.id}),
    ):
        assert ids_of({"field": "device.last_seen", "op": op, "value": value}, site) == expected


def test_every_operator_of_the_catalogue_has_words_and_an_input(site, attributes, purpose):
    for field in CATALOGUE.of_site(site.id):
        for op, operator in field.operators.items():
            assert operator.words, (field.name, op)
            assert operator.takes.input, (field.name, op)


@pytest.mark.parametrize(("percent", "exact"), [(100, False), (0.0000001, True)])
def test_suggestions_that_take_too_long_are_sampled_and_rare_ones_looked_for_longer(
    site, attributes, monkeypatch, percent, exact
):
    new_contact(site, attributes={"plan": "pro"})
    looked_up = segment_picker._rows

    def hurried(query, parameters, token, ms=None):
        if ms == segment_picker.SUGGEST_MS:
            raise TimedOut
        return looked_up(query, parameters, token, ms)

    monkeypatch.setattr(segment_picker, "_rows", hurried)
    monkeypatch.setattr(segment_picker, "SAMPLE_PERCENT", percent)
    assert suggest(site.id, "contact.attributes.plan") == ([("pro", 1)], exact)


def test_suggestions_are_real_values_with_their_numbers(site, other_site, attributes):
    for plan, tags in (("pro", ["vip"]), ("pro", []), ("PROFI", ["vip", "new"]), ("free", [])):
        contact = new_contact(site, attributes={"plan": plan, "likes": ["tea", plan]}, tags=tags)
        new_device(site, contact=contact, country="PL")
    new_contact(other_site, attributes={"plan": "pro"})
    assert suggest(site.id, "contact.attributes.plan", "pro").values == [("pro", 2), ("PROFI", 1)]
    assert suggest(site.id, "contact.attributes.likes").values[0] == ("tea", 4)
    assert suggest(site.id, "contact.tags").values == [("vip", 2), ("new", 1)]
    assert suggest(site.id, "device.country").values == [("PL", 4)]
    assert suggest(site.id, "device.last_seen").values == []
    assert {field["name"] for field in picker(site.id)["fields"]} >= {
        "event",
        "engagement.clicked_count",
        "contact.list",
    }
