"""Says a Rule in plain English."""

from typing import Final

from subscribers.segments.rule import All, AnyOf, Not, Rule, Saved, Test
from subscribers.segments.wording import clause

_OPPOSITES: Final = {
    "eq": "ne", "in": "not_in", "starts_with": "not_starts_with", "contains": "not_contains", "has": "has_not",
    "has_any": "has_none", "contains_any": "contains_none", "within": "not_within", "is_set": "is_not_set",
}  # fmt: skip
"""Operators of the same value that hold where the other does not, null included."""


def describe(rule: Rule) -> str:
    """One sentence without its full stop: "plan is pro or team, and browser is Firefox"."""
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
            return _opposite(inner)
        case Test():
            return clause(rule)
        case Saved(name=name):
            return f"in the segment “{name}”"


def _opposite(rule: Rule) -> str:
    match rule:
        case All(()):
            return "nobody"
        case Saved(name=name):
            return f"not in the segment “{name}”"
        case Test(field, op, value) if (other := _OPPOSITES.get(op)) in field.operators:
            return clause(Test(field, str(other), value))
    return f"not ({_words(rule, outermost=True)})"
