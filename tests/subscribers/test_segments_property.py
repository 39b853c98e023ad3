"""Random segments over random people: the SQL finds exactly those that a plain evaluation finds."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from campaigns.segment_fields import parse
from subscribers import segments
from subscribers.models import Attribute
from tests.subscribers.people import new_contact, new_device
from tests.subscribers.plain_segments import holds
from tests.subscribers.random_segments import OTHER_TIMES, TYPES, People, definitions_over
from tests.subscribers.segment_rows import ids_by_sets, ids_of_rule

SEVERAL = 10
"""Definitions in each case of a test."""


@pytest.fixture
def people(site) -> People:
    return People(site)


def compare(people: People, cases: int) -> None:
    """Draws definitions and times and compares."""
    examples = st.lists(
        st.tuples(definitions_over(people), st.sampled_from([people.now, people.now, *OTHER_TIMES])),
        min_size=SEVERAL,
        max_size=SEVERAL,
    )

    @settings(
        max_examples=cases // SEVERAL,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # the assertion names the definition; making ten smaller takes minutes
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(examples)
    def check(drawn):
        for definition, now in drawn:
            check_one(people, definition, now)

    check()


def check_one(people: People, definition, now) -> None:
    try:
        rule = parse(definition, people.site.id)
    except segments.DefinitionError as refused:
        assert {code for _, code, _ in refused.errors} == {"too_deep"}  # noqa: PT017  (rare, and right)
        return
    assert segments.describe(rule)
    expected = {device.id for device in people.devices if holds(definition, device, people.known, now)}
    for way in (ids_of_rule, ids_by_sets):
        found = way(rule, people.site, now)
        assert found == expected, (way, definition, now, found - expected, expected - found)


def test_the_sql_of_a_segment_finds_whom_a_plain_evaluation_finds(people):
    compare(people, 1_000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_the_sql_finds_whom_a_plain_evaluation_finds_thousands_of_times(site, seed):
    compare(People(site, seed), 5_000)


def test_yes_and_one_are_two_values(site):
    people = People(site)
    where = [{"property": "total", "op": "in", "value": [1, True]}]
    bought = {"field": "event", "op": "within", "value": "3650d", "name": "bought", "where": where}
    check_one(people, bought, people.now)


def test_a_stray_value_of_another_type_never_breaks_a_query(site):
    Attribute.objects.bulk_create(Attribute(site=site, key=key, type=type_) for key, type_ in TYPES.items())
    stray = new_device(
        site, contact=new_contact(site, attributes={"ltv": "much", "since": 7, "likes": "tea", "vip": {}, "plan": [1]})
    )
    for field, op, value in (
        ("ltv", "gt", 1),
        ("since", "gt", "9999-01-01"),
        ("since", "anniversary", 365),
        ("likes", "contains", "tea"),
        ("plan", "contains", "1"),
        ("vip", "eq", True),
    ):
        rule = parse({"field": f"contact.attributes.{field}", "op": op, "value": value}, site.id)
        assert stray.id not in ids_of_rule(rule, site)
