"""What a rule says of itself is plain English, whatever it asks."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.segment_fields import CATALOGUE
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import segments
from subscribers.models import Attribute, ContactList, Segment
from tests.campaigns.shop import new_campaign, new_site

pytestmark = pytest.mark.django_db
MANY = [f"v{number}" for number in range(11)]


@pytest.fixture
def site() -> Site:
    found = new_site()
    for key, type_ in (("plan", "string"), ("likes", "strings"), ("since", "date"), ("vip", "boolean")):
        Attribute.objects.create(site=found, key=key, type=type_, title=key)
    return found


def said(site: Site, definition: dict[str, Any]) -> str:
    return segments.describe(segments.parse(definition, site.pk, CATALOGUE))


@pytest.mark.parametrize(
    ("field", "op", "value", "sentence"),
    [
        ("contact.attributes.plan", "in", ["pro"], "plan is pro"),
        ("contact.attributes.plan", "in", ["pro", "team", "free"], "plan is pro, team or free"),
        ("contact.attributes.plan", "in", MANY, "plan is one of v0, v1, v2, v3, v4, v5, v6, v7 and 3 more"),
        ("contact.attributes.plan", "not_in", ["pro", "team"], "plan is neither pro nor team"),
        ("contact.attributes.plan", "not_in", ["pro", "team", "free"], "plan is none of pro, team and free"),
        ("contact.attributes.plan", "is_not_set", None, "plan is not known"),
        ("contact.attributes.likes", "contains_any", ["tea", "pots"], "tea or pots is among likes"),
        ("contact.attributes.likes", "not_contains", "tea", "tea is not among likes"),
        ("contact.attributes.likes", "is_set", None, "has likes"),
        ("contact.attributes.since", "anniversary", 0, "since has its anniversary today"),
        ("contact.attributes.vip", "eq", True, "vip is yes"),
        ("contact.tags", "is_set", None, "has a tag"),
        ("contact.tags", "is_not_set", None, "has no tag"),
        ("device.tags", "is_set", None, "browser has a tag"),
        ("contact.tags", "has_any", ["a", "b"], "tags include a or b"),
        ("contact.tags", "has_none", ["a", "b"], "tags include neither a nor b"),
        ("contact.created", "not_on", "2026-03-31", "not added on 2026-03-31"),
        ("device.last_seen", "not_within", "30d", "not seen within the last 30 days"),
        ("device.subscribed_at", "anniversary", 7, "subscribed, with the anniversary within the next 7 days"),
        ("device.os", "in", ["macos", "ios"], "system is macOS or iOS"),
        ("device.form", "ne", "desktop", "kind of device is not computer"),
        ("device.identified", "eq", False, "not linked to a CRM id"),
        ("device.subscribed", "ne", True, "subscription is not active"),
        ("consent.offers", "eq", "never", "consent to Offers was never asked for"),
        ("consent.offers", "ne", "never", "consent to Offers was given or withdrawn"),
        ("consent.offers", "ne", True, "consent to Offers was not given"),
        ("consent.offers.granted_at", "within", "7d", "consent to Offers was given within the last 7 days"),
        ("consent.offers.withdrawn_at", "not_on", "2026-03-31", "consent to Offers was not withdrawn on 2026-03-31"),
        ("engagement.clicked", "not_within", "14d", "clicked no message within the last 14 days"),
        ("engagement.sent", "is_not_set", None, "was never sent a message"),
        ("engagement.shown", "before", "2026-03-31", "was last shown a message before 2026-03-31"),
        ("engagement.received_count", "gt", 1, "received more than 1 message"),
        ("engagement.received_count", "lt", 1, "received no message"),
        ("engagement.closed_count", "between", [2, 4], "closed between 2 and 4 messages"),
    ],
)
def test_a_rule_is_said_as_one_would_say_it(site: Site, field: str, op: str, value: Any, sentence: str) -> None:
    rule = {"field": field, "op": op} | ({} if value is None else {"value": value})
    assert said(site, rule) == sentence


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"op": "not_within", "value": "2d"}, "did not do “bought” within the last 2 days"),
        ({"op": "is_set"}, "ever did “bought”"),
        ({"op": "after", "value": "2026-03-31"}, "last did “bought” after 2026-03-31"),
        ({"op": "gte", "value": 1, "within": "2d"}, "did “bought” at least once within the last 2 days"),
        ({"op": "eq", "value": 0}, "never did “bought”"),
        ({"op": "lte", "value": 3}, "did “bought” at most 3 times"),
        (
            {"op": "is_set", "where": [{"property": "shop", "op": "in", "value": ["a", "b"]},
                                       {"property": "coupon", "op": "is_set"}]},
            "ever did “bought” (where shop is a or b and coupon is known)",
        ),
    ],
)  # fmt: skip
def test_what_people_did_is_said_as_one_would_say_it(site: Site, rule: dict[str, Any], sentence: str) -> None:
    assert said(site, {"field": "event", "name": "bought", **rule}) == sentence


def test_lists_campaigns_and_segments_are_said_by_their_names(site: Site) -> None:
    lists = [public_ids.encode("lst", ContactList.objects.create(site=site, name=name).pk) for name in ("A", "B", "C")]
    campaign = public_ids.encode("cmp", new_campaign(site).pk)
    segment = {"segment": public_ids.encode("seg", Segment.objects.create(site=site, name="S", definition={}).pk)}
    Segment.objects.filter(site=site).update(definition={"all": []})
    listed = {"field": "contact.list", "op": "in"}
    assert said(site, listed | {"value": lists}) == "in the list “A”, “B” or “C”"
    assert said(site, listed | {"op": "not_in", "value": lists[:2]}) == "in neither of the lists “A” and “B”"
    assert said(site, listed | {"op": "ne", "value": lists[0]}) == "not in the list “A”"
    clicked = {"field": "engagement.clicked", "op": "is_set", "campaign": campaign}
    assert said(site, clicked) == "clicked a message of the campaign “Sale”"
    assert said(site, {"not": segment}) == "not in the segment “S”"


def test_a_not_is_said_as_the_opposite_where_there_is_one(site: Site) -> None:
    clicked = {"field": "engagement.clicked", "op": "within", "value": "14d"}
    vip = {"field": "contact.tags", "op": "has", "value": "vip"}
    assert said(site, {"not": clicked}) == "clicked no message within the last 14 days"
    assert said(site, {"not": {"any": [vip, clicked]}}) == (
        "not (tags include vip, or clicked a message within the last 14 days)"
    )
    assert said(site, {"not": {"all": []}}) == "nobody"
