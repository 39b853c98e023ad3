"""Random segments over random people: the SQL finds exactly those that a plain evaluation finds."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subscribers import segments
from subscribers.models import Attribute, Contact, Device
from tests.subscribers.people import new_contact, new_device
from tests.subscribers.plain_segments import holds
from tests.subscribers.segment_rows import ids_of_rule

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WORDS = ["pro", "team", "Łódź", 'a "quoted" \\ 100 %s', "x' or true"]
NUMBERS = [-1, 0, 0.1, 5, 5.0, 1e3, 10**15]
DATES = ["2025-12-31", "2026-01-01", "2026-01-02"]
TYPES = {"plan": "string", "ltv": "number", "vip": "boolean", "since": "date", "likes": "strings"}
LANGUAGES = ["pl", "pl-PL", "en-GB", "plt"]
TAGS = ["vip", "new", "staff"]


def some_attributes(chance: random.Random) -> dict:
    values = {
        "plan": chance.choice(WORDS),
        "ltv": chance.choice(NUMBERS),
        "vip": chance.random() < 0.5,
        "since": chance.choice(DATES),
        "likes": chance.sample(WORDS, chance.randrange(3)),
    }
    return {key: value for key, value in values.items() if chance.random() < 0.7}


@pytest.fixture
def people(site) -> list[Device]:
    """Sixty devices of twenty people and of nobody."""
    chance = random.Random(7)
    Attribute.objects.bulk_create(Attribute(site=site, key=key, type=type_) for key, type_ in TYPES.items())
    contacts: list[Contact | None] = [None, None, None]
    contacts += [
        new_contact(
            site,
            attributes=some_attributes(chance),
            tags=chance.sample(TAGS, chance.randrange(3)),
            language=chance.choice(["", *LANGUAGES]),
            owner=chance.choice(["", "kate"]),
        )
        for _ in range(20)
    ]
    for _ in range(60):
        new_device(
            site,
            contact=chance.choice(contacts),
            allowed=chance.randrange(16),
            status=chance.choice([1, 1, 2, 3]),
            browser=chance.choice(["", "firefox", "chrome"]),
            os=chance.choice(["linux", "android"]),
            form=chance.choice(["desktop", "mobile"]),
            country=chance.choice(["", "PL", "DE"]),
            language=chance.choice(["", *LANGUAGES]),
            tags=chance.sample(TAGS, chance.randrange(3)),
            last_seen_at=NOW - timedelta(hours=chance.randrange(0, 2000, 12)),
        )
    return list(Device.objects.filter(site=site).select_related("contact"))


def rules(field: str, ops: str, value: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(
        lambda op, one, more: {
            "field": field,
            "op": op,
            "value": more if op in ("in", "not_in") or op.endswith(("_any", "_none")) else one,
        },
        st.sampled_from(ops.split()),
        value,
        st.lists(value, min_size=1, max_size=3),
    )


def presence(field: str) -> st.SearchStrategy:
    return st.builds(lambda op: {"field": field, "op": op}, st.sampled_from(["is_set", "is_not_set"]))


words, equality, order = st.sampled_from(WORDS), "eq ne in not_in", "gt gte lt lte"
spans = st.sampled_from(["90m", "36h", "30d", "8w"])
moments = st.sampled_from(["2026-05-01T12:00:00+00:00", "2026-05-20T14:00:00+02:00"])
tests = st.one_of(
    rules("contact.attributes.plan", equality, words),
    rules("contact.attributes.ltv", f"{equality} {order}", st.sampled_from(NUMBERS)),
    rules("contact.attributes.vip", "eq ne", st.booleans()),
    rules("contact.attributes.since", f"{equality} {order}", st.sampled_from(DATES)),
    rules("contact.attributes.likes", "contains not_contains contains_any contains_none", words),
    st.sampled_from(sorted(TYPES)).flatmap(lambda key: presence(f"contact.attributes.{key}")),
    rules("contact.tags", "has has_not has_any has_none", st.sampled_from(TAGS)),
    rules("contact.language", equality, st.sampled_from(LANGUAGES)),
    rules("contact.owner", equality, st.sampled_from(["kate", "tom"])),
    presence("contact.owner"),
    rules("consent.offers", "eq ne", st.booleans()),
    rules("device.browser", equality, st.sampled_from(["firefox", "safari"])),
    rules("device.country", equality, st.sampled_from(["PL", "FR"])),
    presence("device.browser"),
    rules("device.language", equality, st.sampled_from(LANGUAGES)),
    rules("device.tags", "has has_not has_any has_none", st.sampled_from(TAGS)),
    rules("device.last_seen", "within not_within", spans),
    rules("device.last_seen", "before after", moments),
    rules("device.subscribed", "eq ne", st.booleans()),
    rules("device.identified", "eq ne", st.booleans()),
)
definitions = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(lambda some: {"all": some}, st.lists(inner, max_size=3)),
        st.builds(lambda some: {"any": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"not": one}, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(definition=definitions)
def test_the_sql_of_a_segment_finds_whom_a_plain_evaluation_finds(site, people, definition):
    try:
        rule = segments.parse(definition, site.id)
    except segments.DefinitionError as refused:
        assert {code for _, code, _ in refused.errors} == {"too_deep"}  # noqa: PT017  (rare, and right)
        return
    assert segments.describe(rule)
    found = ids_of_rule(rule, site, NOW)
    bits = dict(site.purposes.values_list("key", "bit"))
    assert found == {device.id for device in people if holds(definition, device, bits, NOW)}


def test_a_stray_value_of_another_type_never_breaks_a_query(site, people):
    stray = new_device(
        site, contact=new_contact(site, attributes={"ltv": "much", "since": 7, "likes": "tea", "vip": {}})
    )
    for field, op, value in (
        ("ltv", "gt", 1),
        ("since", "gt", "9999-01-01"),
        ("likes", "contains", "tea"),
        ("vip", "eq", True),
    ):
        rule = segments.parse({"field": f"contact.attributes.{field}", "op": op, "value": value}, site.id)
        assert stray.id not in ids_of_rule(rule, site, NOW)
