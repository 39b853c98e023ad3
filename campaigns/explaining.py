"""Why is this person, or this browser, in a segment or not? Each rule with its verdict and the value found, then the
steps after the segment: consent, activity, exclusions, device choice."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db import connection

from campaigns.audience import CHOSEN, Audience
from campaigns.segment_fields import CATALOGUE
from pushplatform.sites import public_ids
from subscribers import segments
from subscribers.models import ConsentState, Decision, Device, Purpose, Scope
from subscribers.segments.describe import describe
from subscribers.segments.rule import All, AnyOf, Not, Rule, Saved, Test

AT_ONCE: Final = 100
"""Tests in one query."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A rule and what became of it for one device. `found`: the value that a test looked at, as JSON; None: unknown."""

    pointer: str
    kind: str
    words: str
    verdict: bool
    found: Any = None
    rules: tuple["Explained", ...] = ()

    def as_json(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "pointer": self.pointer, "kind": self.kind, "words": self.words, "verdict": self.verdict,
        }  # fmt: skip
        if self.kind == "test":
            return own | {"found": self.found}
        return own | {"rules": [rule.as_json() for rule in self.rules]}


@dataclass(frozen=True, slots=True)
class Step:
    """`name`: matched, consent, active, exclusions or device_choice."""

    name: str
    verdict: bool
    found: Any = None


@dataclass(frozen=True, slots=True)
class DeviceExplained:
    device_id: int
    rule: Explained
    steps: tuple[Step, ...]

    @property
    def reached(self) -> bool:
        return all(step.verdict for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        return {
            "device_id": public_ids.encode("dev", self.device_id),
            "matches": self.rule.verdict,
            "reached": self.reached,
            "rule": self.rule.as_json(),
            "steps": [{"step": one.name, "verdict": one.verdict, "found": one.found} for one in self.steps],
        }


def explain(
    audience: Audience, devices: Sequence[Device], purpose: Purpose | None, now: datetime
) -> list[DeviceExplained]:
    """Explains each of these devices of one person, or one without a person; raises segments.DefinitionError.

    `audience` includes one definition; `purpose` is the audience's, None asks no consent. All devices of a person must
    be given, for the device choice looks at them together.
    """
    audience = replace(audience, now=now)
    rule = segments.parse(audience.include[0], audience.site_id, CATALOGUE, saved=audience.saved)
    ids = [device.pk for device in devices]
    answers = _answers(list(_tests(rule)), ids, now)
    columns, chosen = _selected(audience, ids)
    found = []
    for device in devices:
        explained = _explained(rule, "", iter(answers.get(device.pk, ())))
        steps = _steps(device, explained, columns.get(device.pk), chosen, purpose)
        found.append(DeviceExplained(device.pk, explained, tuple(steps)))
    return found


def _tests(rule: Rule) -> Iterator[Test]:
    match rule:
        case All(rules) | AnyOf(rules):
            for one in rules:
                yield from _tests(one)
        case Not(inner):
            yield from _tests(inner)
        case Saved():
            yield from _tests(rule.rule)
        case Test():
            yield rule


Answer = tuple[bool, Any]


def _answers(tests: Sequence[Test], ids: Sequence[int], now: datetime) -> dict[int, list[Answer]]:
    """By device, the verdict and the value of each test."""
    answers: dict[int, list[Answer]] = {id_: [] for id_ in ids}
    for place in range(0, len(tests), AT_ONCE):
        for id_, row in _rows(tests[place : place + AT_ONCE], ids, now):
            values = [json.loads(value) if isinstance(value, str) else value for value in row[1::2]]
            answers[id_] += zip(map(bool, row[::2]), values, strict=True)
    return answers


def _rows(tests: Sequence[Test], ids: Sequence[int], now: datetime) -> Iterator[tuple[int, Sequence[Any]]]:
    compiler = segments.Compiler(now)
    columns = []
    for test in tests:
        operator = test.field.operators[test.op]
        verdict = compiler.condition(test)
        value = operator.found(test.value, now) if operator.found else test.field.found
        found = compiler.expression(value)
        columns += [verdict._replace(text=f"({verdict.text}) is true"), found._replace(text=_as_json(found.text))]
    few: tuple[str, list[Any]] = ("= any(%s)", [list(ids)])
    settled = [compiler.settled(one, *few) for one in columns]
    parameters = [parameter for one in settled for parameter in one.parameters]
    joins = compiler.joins(*few)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select d.id, {', '.join(one.text for one in settled)} from device d {joins.text} where d.id = any(%s)",
            [*parameters, *joins.parameters, list(ids)],
        )
        for id_, *row in cursor.fetchall():
            yield id_, row


def _as_json(expression: str) -> str:
    # A null of no type at all has none that to_jsonb could take.
    return "null::jsonb" if expression == "(null)" else f"to_jsonb({expression})"


def _explained(rule: Rule, pointer: str, answers: Iterator[Answer]) -> Explained:
    words = describe(rule)
    match rule:
        case All(rules) | AnyOf(rules):
            kind = "all" if isinstance(rule, All) else "any"
            inner = tuple(_explained(one, f"{pointer}/{kind}/{place}", answers) for place, one in enumerate(rules))
            verdicts = [one.verdict for one in inner]
            return Explained(pointer, kind, words, all(verdicts) if kind == "all" else any(verdicts), rules=inner)
        case Not(one):
            negated = _explained(one, f"{pointer}/not", answers)
            return Explained(pointer, "not", words, not negated.verdict, rules=(negated,))
        case Saved():
            saved = _explained(rule.rule, "", answers)  # its pointers are those within the other segment
            return Explained(pointer, "segment", words, saved.verdict, rules=(saved,))
        case Test():
            verdict, found = next(answers)
            return Explained(pointer, "test", words, verdict, found)


def _selected(audience: Audience, ids: Sequence[int]) -> tuple[dict[int, dict[str, Any]], frozenset[int]]:
    """The columns of the audience's selection by device, and the ids that the device rule chooses."""
    query, params = audience.compiled().query(
        "d.id = any(%s)", [list(ids)], narrow="= any(%s)", narrow_params=[list(ids)]
    )
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        cursor.execute(
            f"with m as ({query}), t as (select * from m where {CHOSEN}) {audience.choice.chosen('t')}", params
        )
        picked = frozenset(row[0] for row in cursor.fetchall())
    return {row["id"]: row for row in rows}, picked


def _steps(
    device: Device,
    explained: Explained,
    row: dict[str, Any] | None,
    chosen: frozenset[int],
    purpose: Purpose | None,
) -> Iterator[Step]:
    """In the order of the waterfall; what is after the segment is only known of those that matched."""
    yield Step("matched", explained.verdict)
    if purpose is not None:
        yield Step("consent", bool(device.allowed & 1 << purpose.bit), _decisions(device, purpose))
    active = Device.Status(device.status)
    yield Step("active", active == Device.Status.ACTIVE, str(active.label))
    if row is not None:
        yield Step("exclusions", not row["excluded"])
        yield Step("device_choice", device.pk in chosen)


def _decisions(device: Device, purpose: Purpose) -> dict[str, str]:
    """The decision in force in each scope; none where it was never asked."""
    subjects = {Scope.DEVICE: device.pk, Scope.CONTACT: device.contact_id}
    found = {}
    for scope, subject in subjects.items():
        state = ConsentState.objects.filter(scope=scope, subject_id=subject, purpose_id=purpose.pk).first()
        if state is not None:
            found[Scope(scope).name.lower()] = Decision(state.decision).name.lower()
    return found
