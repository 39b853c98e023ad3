"""Makes one parametrised SQL expression of a Rule."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from subscribers.segments.fields import Sql
from subscribers.segments.rule import All, AnyOf, Not, Rule, Saved, Test


def compile_rule(rule: Rule, now: datetime | None = None) -> tuple[str, list[Any]]:
    """A boolean expression over `device d left join contact c on c.id = d.contact_id`, and its parameters.

    It may be null, which counts as false. `now`: what "within 30 days" counts back from; None is the present.
    """
    text, parameters = _sql(rule, now or timezone.now())
    return text, list(parameters)


def _sql(rule: Rule, now: datetime) -> Sql:
    match rule:
        case All(rules):
            return _joined(rules, " and ", "true", now)
        case AnyOf(rules):
            return _joined(rules, " or ", "false", now)
        case Not(inner):
            # Null counts as false everywhere; and, or keep it so, only here it would turn into something else.
            text, parameters = _sql(inner, now)
            return Sql(f"({text} is not true)", parameters)
        case Test(field, op, value):
            text, parameters = field.operators[op].sql(value, now)
            return Sql(f"({text})", parameters)
        case Saved():
            return _sql(rule.rule, now)


def _joined(rules: tuple[Rule, ...], word: str, empty: str, now: datetime) -> Sql:
    if not rules:
        return Sql(empty)
    parts = [_sql(rule, now) for rule in rules]
    return Sql(
        "(" + word.join(text for text, _ in parts) + ")",
        tuple(parameter for _, parameters in parts for parameter in parameters),
    )
