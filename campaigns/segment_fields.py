"""The fields of segments that read what was sent and what the browsers reported, and the catalogue of all fields.

"At least k within T" looks at the newest ten times that `device_stats` keeps; more than ten, and what is asked of one
campaign, is counted from the facts. Both give the same numbers: reports count only of people who agreed to be measured
(the Site may decide otherwise), and times are compared in whole seconds.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from typing import Any, Final, NamedTuple

from campaigns.models import Campaign, Message, ReceiptKind
from pushplatform.sites import public_ids
from pushplatform.webpush.outcome import Outcome
from subscribers import segments
from subscribers.models import Purpose
from subscribers.segments import DEVICE_AND_CONTACT_FIELDS, Rule, Understood, operators
from subscribers.segments.fields import (
    NARROW,
    Catalogue,
    Family,
    Field,
    Operator,
    Sql,
    Surroundings,
    Table,
    Wrong,
    found_in,
    of_statistics,
)
from subscribers.segments.occurrences import Times, What, how_often, when_last

NEWEST: Final = 10
"""Times that device_stats keeps of each kind."""

_MEASURED: Final = f"d.allowed & {1 << Purpose.MEASUREMENT} <> 0 and "


class Kind(NamedTuple):
    """Something that happens to messages on devices. `name`: as the columns of device_stats say it."""

    name: str
    title: str
    receipt: int | None
    """Of reports; None is sent: accepted by the push service."""


RECEIVED, SHOWN, CLICKED, CLOSED, _ = ReceiptKind.values
KINDS: Final = (
    Kind("sent", "was sent a message", None),
    Kind("received", "received a message", RECEIVED),
    Kind("shown", "was shown a message", SHOWN),
    Kind("clicked", "clicked a message", CLICKED),
    Kind("closed", "closed a message", CLOSED),
)


class OfCampaign(NamedTuple):
    id: int
    name: str
    message_ids: tuple[int, ...]
    """Told to the database as numbers: it then reads their partitions alone, and knows how much that is."""


def _read_campaign(given: Mapping[str, Any], site: Surroundings) -> OfCampaign | None:
    if "campaign" not in given:
        return None
    try:
        number = public_ids.decode("cmp", given["campaign"])
    except (public_ids.UnknownId, AttributeError):
        number = 0
    found = Campaign.objects.filter(pk=number, site_id=site.site_id).first()
    if found is None:
        raise Wrong("campaign", "unknown_campaign", "is no campaign of this Site")
    return OfCampaign(found.pk, found.name, tuple(Message.objects.filter(campaign=found).values_list("pk", flat=True)))


def _say_campaign(campaign: OfCampaign | None) -> str:
    return f" of the campaign “{campaign.name}”" if campaign else ""


_WHAT: Final = What(frozenset({"campaign"}), _read_campaign, _say_campaign)


def _source(kind: Kind, campaign: OfCampaign | None, cutoff: int | None) -> tuple[str, str, str, tuple[Any, ...]]:
    """The column of devices, the table, the condition and its parameters; `cutoff`: only after this second."""
    if kind.receipt is None:
        device, table, where = "device_id", "delivery", "status = %s"
        parameters: list[Any] = [int(Outcome.ACCEPTED)]
    else:
        device, table, where = "device_ref", "receipt", "kind = %s and device_ref > 0"
        parameters = [kind.receipt]
    if campaign is not None:
        where += " and message_id = any(%s::bigint[])"
        parameters.append(list(campaign.message_ids))
    if cutoff is not None:
        where += " and at >= to_timestamp(%s)"
        parameters.append(cutoff + 1)
    return device, table, where, tuple(parameters)


def _facts(kind: Kind, campaign: OfCampaign | None, cutoff: int | None) -> Table:
    """How often and when last, by device, counted."""
    device, table, where, parameters = _source(kind, campaign, cutoff)
    return Table(
        f"(select {device} device_id, count(*) n, max(at) at from {table} where {where} {NARROW} group by {device})",
        "facts.device_id = d.id",
        parameters,
        device,
    )


def _ever(kind: Kind, campaign: OfCampaign | None, cutoff: int | None) -> Sql:
    """Whether it happened at all: half the time of counting."""
    return found_in("d.id", *_source(kind, campaign, cutoff))


def _cutoff(value: Times, now: datetime) -> int | None:
    """Unix seconds: what is later is within the span."""
    return int((now - value.span).timestamp()) if value.span else None


def _at_least(kind: Kind, times: int, value: Times, now: datetime) -> Sql:
    """Whether it happened so often; what stands in device_stats is looked up there."""
    cutoff = _cutoff(value, now)
    if times <= 0:
        return Sql("true")
    if value.what is None and cutoff is None:
        return of_statistics(f"s.{kind.name} >= %s", (times,))
    if value.what is None and times <= NEWEST:
        return of_statistics(f"s.recent_{kind.name}[{times}] > %s", (cutoff,))
    if times == 1:
        return _ever(kind, value.what, cutoff)
    return Sql("facts1.n >= %s", (times,), (_facts(kind, value.what, cutoff),))


def _counted(kind: Kind, measured: str, value: Times, now: datetime) -> Sql:
    """`least` times and not one more than `most`. Who is not measured has nothing counted."""
    low = _at_least(kind, value.least, value, now)
    text = f"({measured}{low.text})" if value.least > 0 and measured else f"({low.text})"
    if value.most is None:
        return low._replace(text=text)
    high = _at_least(kind, value.most + 1, value, now)
    if measured and value.most >= 0:
        high = high._replace(text=f"{measured}{high.text}")
    # Both look at the same table of facts, when they look at one.
    return Sql(
        f"{text} and (({high.text}) is not true)",
        low.parameters + high.parameters,
        low.tables or high.tables,
    )


def _how_many(kind: Kind, measured: str, value: Times, now: datetime) -> Sql:
    """The number itself, for explanations."""
    cutoff = _cutoff(value, now)
    if value.what is None and cutoff is None:
        number = Sql(f"coalesce(s.{kind.name}, 0)")
    else:
        number = Sql("coalesce(facts1.n, 0)", (), (_facts(kind, value.what, cutoff),))
    return number._replace(text=f"case when {measured}true then {number.text} else 0 end")


def _last(kind: Kind, measured: str, campaign: OfCampaign | None) -> dict[str, Operator]:
    """The operators of the time when it was last."""
    column = f"s.last_{kind.name}_at" if campaign is None else "facts1.at"
    tables = () if campaign is None else (_facts(kind, campaign, None),)

    def wrap(sql: Sql) -> Sql:
        known = of_statistics(sql.text, sql.parameters) if campaign is None else sql
        return Sql(f"({measured}{known.text})", known.parameters, tables)

    known = of_statistics(f"{column} is not null", ()) if campaign is None else _ever(kind, campaign, None)
    ever = operators.presence(lambda value, now: known._replace(text=f"({measured}{known.text})"))
    said = {"is_set": "ever", "is_not_set": "never"}
    found = operators.time(column, wrap) | {
        op: replace(operator, words=said[op], say=operators.just(said[op])) for op, operator in ever.items()
    }
    shown = Sql(f"case when {measured}true then {column} end", (), tables)
    return {op: replace(operator, found=lambda value, now: shown) for op, operator in found.items()}


@cache
def _field(name: str, measures_everyone: bool) -> Field | None:
    name, counts, rest = name.partition("_count")
    kind = next((one for one in KINDS if one.name == name), None)
    if kind is None or rest:
        return None
    measured = "" if kind.receipt is None or measures_everyone else _MEASURED
    if counts:
        found = how_often(_WHAT, partial(_counted, kind, measured), partial(_how_many, kind, measured))
    else:
        found = when_last(_WHAT, partial(_last, kind, measured), None)
    return Field(f"engagement.{name}{counts}", kind.title, found, group="Messages")


def _find(key: str, surroundings: Surroundings) -> Field | None:
    return _field(key, surroundings.measures_everyone)


ENGAGEMENT: Final = Family(
    "engagement.", "engagement", _find, lambda site: [f"{kind.name}{end}" for kind in KINDS for end in ("", "_count")]
)

CATALOGUE: Final[Catalogue] = DEVICE_AND_CONTACT_FIELDS.with_families(ENGAGEMENT)
"""Every field there is."""


def parse(definition: Any, site_id: int, *, segment_id: int | None = None) -> Rule:
    """`segments.parse` with every field."""
    return segments.parse(definition, site_id, CATALOGUE, segment_id=segment_id)


def understand(definition: Any, site_id: int) -> Understood:
    """`segments.understand` with every field."""
    return segments.understand(definition, site_id, CATALOGUE)
