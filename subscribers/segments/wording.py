"""One test of a rule in plain English: "plan is pro or team", "clicked no message within the last 14 days"."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from subscribers.segments import values
from subscribers.segments.events import Condition, Event
from subscribers.segments.fields import Field
from subscribers.segments.occurrences import Times
from subscribers.segments.rule import Test

MOST_SAID: Final = 8
"""Values in one sentence; of more, the first ones and how many there are."""

# What is said of a point in time, of its opposite, and of "not within the last …".
_TIMES: Final = {
    "contact.created": ("added", "not added", "not added"),
    "device.last_seen": ("last seen", "not last seen", "not seen"),
    "device.subscribed_at": ("subscribed", "did not subscribe", "did not subscribe"),
}
_COUNTS: Final = {
    "eq": "exactly", "ne": "other than", "gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most",
}  # fmt: skip
_CONSENT: Final[Mapping[Any, tuple[str, str]]] = {
    "granted": ("was given", "was not given"),
    "withdrawn": ("was withdrawn", "was not withdrawn"),
    "never": ("was never asked for", "was given or withdrawn"),
    True: ("was given", "was not given"),
    False: ("was not given", "was given"),
}


def clause(test: Test) -> str:
    """A test as a part of a sentence, without its full stop."""
    field = test.field
    if field.name == "event":
        return _of_event(test)
    if field.name.startswith("engagement."):
        return _of_messages(test)
    if field.name.startswith("consent."):
        return _of_consent(test)
    for holds, say in _SHAPES:
        if holds(field):
            return say(test)
    return _of_value(test)


def either(words: Sequence[str]) -> str:
    """ "a", "a or b", "a, b or c", "one of a, b, … and 92 more"."""
    if len(words) > MOST_SAID:
        return f"one of {_cut(words)}"
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def neither(words: Sequence[str]) -> str:
    """ "not a", "neither a nor b", "none of a, b and c"."""
    if len(words) == 1:
        return f"not {words[0]}"
    if len(words) == 2:
        return f"neither {words[0]} nor {words[1]}"
    if len(words) > MOST_SAID:
        return f"none of {_cut(words)}"
    return f"none of {', '.join(words[:-1])} and {words[-1]}"


def _cut(words: Sequence[str]) -> str:
    return f"{', '.join(words[:MOST_SAID])} and {len(words) - MOST_SAID} more"


def _said(test: Test) -> list[str]:
    """The values of a test, as its choices are called."""
    several = test.value if isinstance(test.value, tuple) else (test.value,)
    called = dict(test.field.operators[test.op].takes.choices)
    words = [called.get(one, values.say(one)) if isinstance(one, str) else values.say(one) for one in several]
    return [word.lower() for word in words] if test.field.name == "device.form" else words


def _of_value(test: Test) -> str:
    operator, title = test.field.operators[test.op], test.field.title
    match test.op:
        case "in":
            return f"{title} is {either(_said(test))}"
        case "not_in":
            return f"{title} is {neither(_said(test))}"
        case "eq" | "ne" if operator.takes.input == "choice":
            return f"{title} {operator.words} {_said(test)[0]}"
    return f"{title} {operator.say(test.value) if operator.say else f'{operator.words} {values.say(test.value)}'}"


def _of_tags(test: Test) -> str:
    title, person = test.field.title, test.field.title.removesuffix("tags").removesuffix("'s ")
    has = f"{person} has".strip()
    match test.op:
        case "is_set":
            return f"{has} a tag"
        case "is_not_set":
            return f"{has} no tag"
        case "has" | "has_any":
            return f"{title} include {either(_said(test))}"
        case "has_not":
            return f"{title} do not include {_said(test)[0]}"
    words = _said(test)
    return f"{title} do not include {words[0]}" if len(words) == 1 else f"{title} include {neither(words)}"


def _of_several(test: Test) -> str:
    """A list of texts, whose title may be one thing or many: no verb of its own fits both."""
    title = test.field.title
    match test.op:
        case "is_set":
            return f"has {title}"
        case "is_not_set":
            return f"has no {title}"
        case "contains" | "contains_any":
            return f"{either(_said(test))} is among {title}"
    words = _said(test)
    return f"{words[0]} is not among {title}" if len(words) == 1 else f"{neither(words)} is among {title}"


def _of_lists(test: Test) -> str:
    found = test.value if test.op in ("in", "not_in") else (test.value,)
    names = [f"“{one.name}”" for one in found]
    if test.op in ("eq", "in"):
        return f"in the list {either(names)}"
    if len(names) == 1:
        return f"not in the list {names[0]}"
    last = f" and {names[-1]}" if len(names) <= MOST_SAID else ""
    shown = f"{', '.join(names[:-1])}{last}" if last else _cut(names)
    return f"in {'neither' if len(names) == 2 else 'none'} of the lists {shown}"


def _of_link(test: Test) -> str:
    return "linked to a CRM id" if test.value is (test.op == "eq") else "not linked to a CRM id"


def _of_time(test: Test) -> str:
    return _timed(test.op, test.value, *_TIMES[test.field.name])


def _of_consent(test: Test) -> str:
    title = test.field.title
    if test.op in ("eq", "ne") and test.value in _CONSENT:
        return f"{title} {_CONSENT[test.value][test.op == 'ne']}"
    head, _, done = title.rpartition(" ")
    opposite = f"{head} was not {done}"
    return _timed(test.op, test.value, f"{head} was {done}", opposite, opposite)


def _timed(op: str, value: Any, done: str, opposite: str, not_within: str) -> str:
    """When something was done, in the words for it and for its opposite."""
    said = values.say(value)
    match op:
        case "within":
            return f"{done} within the last {said}"
        case "not_within":
            return f"{not_within} within the last {said}"
        case "anniversary":
            return f"{done}, with the anniversary {f'within the next {said}' if value.number else 'today'}"
    if op.startswith("not_"):
        return f"{opposite} {op.removeprefix('not_')} {said}"
    return f"{done} {op} {said}"


def _of_messages(test: Test) -> str:
    verb = test.field.title.removesuffix(" a message")
    if isinstance(test.value, Times):
        found = test.value
        return f"{verb} {_messages(test.op, found)}{_of_campaign(found.what)}{_span(found)}"
    value, campaign = test.value
    message = f"a message{_of_campaign(campaign)}"
    match test.op:
        case "is_set":
            return f"{verb} {message}" if campaign else f"{_with('ever', verb)} {message}"
        case "is_not_set":
            return f"{_with('never', verb)} {message}"
        case "within" | "not_within":
            none = f"{verb} no message{_of_campaign(campaign)}"
            return _timed(test.op, value, f"{verb} {message}", none, none)
    last = f"{_with('last', verb)} {message}"
    return _not_last(test.op, value, last)


def _not_last(op: str, value: Any, last: str) -> str:
    positive = _timed(op.removeprefix("not_"), value, last, last, last)
    return f"not ({positive})" if op.startswith("not_") else positive


def _with(adverb: str, verb: str) -> str:
    """ "was never sent", "never clicked"."""
    return f"was {adverb} {verb.removeprefix('was ')}" if verb.startswith("was ") else f"{adverb} {verb}"


def _of_campaign(campaign: Any) -> str:
    return f" of the campaign “{campaign.name}”" if campaign else ""


def _span(times: Times) -> str:
    return f" within the last {values.say(times.span)}" if times.span else ""


def _number(op: str, times: Times) -> int:
    """The number that was asked for."""
    most = times.most or 0
    return {"gt": times.least - 1, "lt": most + 1, "lte": most}.get(op, times.least)


def _is_never(op: str, times: Times) -> bool:
    return op != "ne" and (times.least, times.most) == (0, 0)


def _messages(op: str, times: Times) -> str:
    if _is_never(op, times):
        return "no message"
    if op == "between":
        return f"between {times.least} and {times.most} messages"
    number = _number(op, times)
    return f"{_COUNTS[op]} {number} message{'' if number == 1 else 's'}"


def _of_event(test: Test) -> str:
    if isinstance(test.value, Times):
        times = test.value
        event = f"“{times.what.name}”"
        if _is_never(test.op, times):
            never = f"did not do {event}{_span(times)}" if times.span else f"never did {event}"
            return f"{never}{_where(times.what)}"
        return f"did {event} {_often(test.op, times)}{_span(times)}{_where(times.what)}"
    value, what = test.value
    return f"{_when(test.op, value, f'“{what.name}”')}{_where(what)}"


def _when(op: str, value: Any, event: str) -> str:
    match op:
        case "is_set":
            return f"ever did {event}"
        case "is_not_set":
            return f"never did {event}"
        case "within" | "not_within":
            none = f"did not do {event}"
            return _timed(op, value, f"did {event}", none, none)
    return _not_last(op, value, f"last did {event}")


def _often(op: str, times: Times) -> str:
    if op == "between":
        return f"between {times.least} and {times.most} times"
    number = _number(op, times)
    return f"{_COUNTS[op]} {'once' if number == 1 else f'{number} times'}"


def _where(event: Event) -> str:
    said = [_condition(one) for one in event.conditions]
    return f" (where {' and '.join(said)})" if said else ""


def _condition(one: Condition) -> str:
    if one.op == "is_set":
        return f"{one.key} is known"
    if one.op == "in":
        return f"{one.key} is {either([values.say(value) for value in one.value])}"
    return f"{one.key} {_CONDITIONS[one.op]} {values.say(one.value)}"


_CONDITIONS: Final = {
    "eq": "is", "ne": "is not", "gt": "is more than", "gte": "is at least", "lt": "is less than", "lte": "is at most",
    "contains": "contains", "starts_with": "starts with",
}  # fmt: skip

_SHAPES: Final[tuple[tuple[Callable[[Field], bool], Callable[[Test], str]], ...]] = (
    (lambda field: field.name == "contact.list", _of_lists),
    (lambda field: field.name == "device.identified", _of_link),
    (lambda field: field.name in _TIMES, _of_time),
    (lambda field: "has_any" in field.operators, _of_tags),
    (lambda field: "contains_any" in field.operators, _of_several),
)
"""Fields that are not said as "title is value"."""
