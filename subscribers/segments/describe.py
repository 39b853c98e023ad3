"""Says a Rule in plain English."""

from typing import Any

from subscribers.segments import values
from subscribers.segments.fields import Operator
from subscribers.segments.rule import All, AnyOf, Not, Rule, Saved, Test


def describe(rule: Rule) -> str:
    """One sentence without its full stop: "plan is one of pro, team, and browser is firefox"."""
    if rule == All(()):
        return "everyone"
    return _words(rule, outermost=True)


def _words(rule: Rule, *, outermost: bool = False) -> str:
    match rule:
        case All(rules) | AnyOf(rules):
            if not rules:
                return "everyone" if isinstance(rule, All) else "nobody"
            if len(rules) == 1:
                return _words(rules[0], outermost=outermost)
            joined = (", and " if isinstance(rule, All) else ", or ").join(_words(one) for one in rules)
            return joined if outermost else f"({joined})"
        case Not(inner):
            return f"not ({_words(inner, outermost=True)})"
        case Test(field, op, value):
            return " ".join(filter(None, (field.title, _said(field.operators[op], value))))
        case Saved(name=name):
            return f"in the segment “{name}”"


def _said(operator: Operator, value: Any) -> str:
    return operator.say(value) if operator.say else f"{operator.words} {values.say(value)}"
