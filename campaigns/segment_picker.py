"""What a segment builder offers: every field of the Site with its operators, and real values with their counts."""

from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from campaigns.models import Campaign
from campaigns.segment_fields import CATALOGUE
from campaigns.statement_limits import TimedOut, limited
from pushplatform.sites import public_ids
from subscribers.models import ContactList, Segment
from subscribers.segments.fields import Field, Operator, Surroundings

MOST_SUGGESTED: Final = 10
SUGGEST_MS: Final = 250
"""Longer, and the count that the same person waits for would wait as well."""
RARE_MS: Final = 700
SAMPLE_PERCENT: Final = 4
"""Of the rows, when counting all of them takes too long."""

MOST_CAMPAIGNS: Final = 100

Suggestion = tuple[str, int]
"""A value and how many contacts or devices (events of a name: how many events) have it."""


class Suggested(NamedTuple):
    values: list[Suggestion]
    exact: bool = True
    """Whether the numbers were counted; else they are estimated from a sample."""


def picker(site_id: int, but: Segment | None = None) -> dict[str, Any]:
    """Everything a builder needs, as JSON: `fields`, and what rules may refer to. `but`: the segment being edited."""
    return {
        "fields": [_field(field) for field in CATALOGUE.of_site(site_id)],
        "segments": _named("seg", Segment.objects.filter(site_id=site_id, archived=False).exclude(pk=but and but.pk)),
        "lists": _named("lst", ContactList.objects.filter(site_id=site_id)),
        "campaigns": _named(
            "cmp", Campaign.objects.filter(site_id=site_id, launched_at__isnull=False), "-launched_at", MOST_CAMPAIGNS
        ),
    }


def suggest(site_id: int, field: str, text: str = "", token: str = "") -> Suggested:
    """The most frequent values of a field that contain `text`, in any case; none for fields without values to offer.

    `token` names who waits, as in `previewing.preview`. Raises Superseded, and segments' Wrong for an unknown field.
    """
    found = CATALOGUE.find(field, Surroundings(site_id))
    if field == "event":
        query = (
            "select name, count(*) from behaviour where site_id = %s and strpos(lower(name), lower(%s)) > 0"
            " group by name order by 2 desc, 1 limit %s"
        )
        return Suggested(_rows(query, [site_id, text, MOST_SUGGESTED], token))
    if not found.suggests:
        return Suggested([])
    try:
        return Suggested(_values(found, site_id, text, token, ms=SUGGEST_MS))
    except TimedOut:
        scale = 100 / SAMPLE_PERCENT
        sampled = _values(found, site_id, text, token, sample=f"tablesample system ({SAMPLE_PERCENT})")
    if sampled:
        return Suggested([(value, round(number * scale)) for value, number in sampled], exact=False)
    try:  # a rare value, or a small Site in a large table
        return Suggested(_values(found, site_id, text, token, ms=RARE_MS))
    except TimedOut:
        return Suggested([])


def _values(
    field: Field, site_id: int, text: str, token: str, *, sample: str = "", ms: int | None = None
) -> list[Suggestion]:
    expression, parameters = field.found.text, list(field.found.parameters)
    alias = expression[0]
    source = {
        "c": f"contact c {sample}",
        "d": f"device d {sample}",
        "u": f"device d {sample} join subscription u on u.device_id = d.id",
    }[alias]
    site = "c.site_id" if alias == "c" else "d.site_id"
    if expression.startswith("c.attributes") or expression.endswith("tags"):
        # A list gives each of its entries, a single value itself.
        value, source = "x.v #>> '{}'", f"{source}, lateral jsonb_path_query(to_jsonb({expression}), '$[*]') x(v)"
    else:
        value, source, parameters = expression, source, []
    return _rows(
        f"select v, count(*) from (select {value} v from {source} where {site} = %s) n"
        " where v <> '' and strpos(lower(v), lower(%s)) > 0 group by v order by 2 desc, 1 limit %s",
        [*parameters, site_id, text, MOST_SUGGESTED],
        token=token,
        ms=ms,
    )


def _rows(query: str, parameters: list[Any], token: str, ms: int | None = None) -> list[Suggestion]:
    with transaction.atomic(), limited(ms, token), connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [(value, number) for value, number in cursor.fetchall()]


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "title": field.title[:1].upper() + field.title[1:],
        "group": field.group,
        "suggests": field.suggests or field.name == "event",
        "operators": [_operator(field, op, operator) for op, operator in field.operators.items()],
    }


# What stands between a field's title and its value where the operator's own words are for something else.
_ODD: Final = ("contact.list", "contact.tags", "device.tags")
_IN_A_ROW: Final = {
    "eq": "is", "ne": "is not", "in": "is one of", "not_in": "is none of", "is_set": "are known",
    "is_not_set": "are not known",
}  # fmt: skip


def _operator(field: Field, op: str, operator: Operator) -> dict[str, Any]:
    takes = operator.takes
    return {
        "op": op,
        "words": _IN_A_ROW.get(op, operator.words) if field.name in _ODD else operator.words,
        "input": takes.input,
        "choices": [list(pair) for pair in takes.choices],
        "members": sorted(takes.members - {"value"}),
    }


def _named(kind: str, rows: Any, order: str = "name", most: int = 1000) -> list[dict[str, str]]:
    found = rows.order_by(order).values_list("pk", "name")[:most]
    return [{"id": public_ids.encode(kind, number), "name": name} for number, name in found]
