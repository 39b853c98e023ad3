"""What people decided: granted, withdrawn or never asked, and since when.

Granted is the bit that the rule of consent worked out; withdrawn is when any scope says so; the rest was never asked,
or its yes was ended by a new wording.
"""

from datetime import datetime
from typing import Any, Final

from subscribers.models import Decision, Purpose
from subscribers.models import Scope as ConsentScope
from subscribers.segments import operators
from subscribers.segments.fields import NARROW, Family, Field, Operator, Sql, Surroundings, Table, Wrong, found_in
from subscribers.segments.operators import Operators, negated
from subscribers.segments.values import one

WORDS: Final = {"granted": "was given", "withdrawn": "was withdrawn", "never": "was never asked for"}
DEVICE, CONTACT = ConsentScope.values
DATES: Final[dict[str, Any]] = {"granted_at": Decision.GRANTED, "withdrawn_at": Decision.WITHDRAWN}


def _tables(purpose: Purpose, decision: Any) -> tuple[Table, Table]:
    """The decisions in force of this kind: in the browser, and known to the CRM."""
    query = "(select subject_id, at from consent_state where purpose_id = %s and scope = %s and decision = %s{})"
    return (
        Table(
            query.format(f" {NARROW}"),
            "facts.subject_id = d.id",
            (purpose.pk, DEVICE, int(decision)),
            "subject_id",
        ),
        Table(
            query.format(""),
            "facts.subject_id = d.contact_id",
            (purpose.pk, CONTACT, int(decision)),
        ),
    )


def _withdrawn(purpose: Purpose) -> Sql:
    """In the browser, or as the CRM knows."""
    withdrawn: Any = Decision.WITHDRAWN
    scopes = [
        found_in(
            column,
            "subject_id",
            "consent_state",
            "purpose_id = %s and scope = %s and decision = %s",
            (purpose.pk, scope, withdrawn),
        )
        for column, scope in (("d.id", DEVICE), ("d.contact_id", CONTACT))
    ]
    return Sql(" or ".join(one.text for one in scopes), tuple(one.parameters[0] for one in scopes))


def _state(purpose: Purpose) -> Operators:
    withdrawn, bit = _withdrawn(purpose), 1 << purpose.bit

    def equal(value: Any, now: datetime) -> Sql:
        match value:
            case True | "granted":
                return Sql("d.allowed & %s <> 0", (bit,))
            case False:
                return Sql("d.allowed & %s = 0", (bit,))
            case "withdrawn":
                return Sql(f"({withdrawn.text})", withdrawn.parameters)
        return Sql(f"(d.allowed & %s = 0 and ({withdrawn.text}) is not true)", (bit, *withdrawn.parameters))

    def found(value: Any, now: datetime) -> Sql:
        return Sql(
            f"case when d.allowed & %s <> 0 then 'granted' when {withdrawn.text} then 'withdrawn' else 'never' end",
            (bit, *withdrawn.parameters),
        )

    takes = one("choice", _read_state, WORDS)
    return {
        "eq": Operator(takes, equal, "is", _say, found),
        "ne": Operator(takes, negated(equal), "is not", lambda value: f"not: it {_say(value)}", found),
    }


def _read_state(value: Any, site: Surroundings) -> bool | str:
    """True and False say whether a message may be sent for it."""
    if isinstance(value, bool) or (isinstance(value, str) and value in WORDS):
        return value
    raise Wrong("value", "invalid_type", f"must be one of {', '.join(WORDS)}, or true or false")


def _say(value: bool | str) -> str:
    if isinstance(value, bool):
        return "was given" if value else "was not given"
    return WORDS[value]


def _date(purpose: Purpose, decision: Any) -> tuple[Operators, Sql]:
    granted = decision == Decision.GRANTED
    tables = _tables(purpose, decision)
    column = f"{'least' if granted else 'greatest'}(facts1.at, facts2.at)"
    holds = f"d.allowed & {1 << purpose.bit} <> 0 and " if granted else ""

    def wrap(sql: Sql) -> Sql:
        return Sql(f"({holds}{sql.text})", sql.parameters, tables)

    return operators.time(column, wrap), Sql(f"case when {holds}true then {column} end", (), tables)


def _find(key: str, surroundings: Surroundings) -> Field | None:
    key, _, date = key.partition(".")
    purpose = surroundings.purposes.get(key)
    if purpose is None or (date and date not in DATES):
        return None
    if not date:
        return Field(f"consent.{key}", f"consent to {purpose.title}", _state(purpose), group="Consent")
    operators_, found = _date(purpose, DATES[date])
    title = f"consent to {purpose.title} {'given' if date == 'granted_at' else 'withdrawn'}"
    return Field(f"consent.{key}.{date}", title, operators_, found, "Consent")


def _keys(surroundings: Surroundings) -> list[str]:
    return [name for key in surroundings.purposes for name in (key, *(f"{key}.{date}" for date in DATES))]


CONSENT = Family("consent.", "purpose", _find, _keys)
