"""Parses the JSON of a segment (api.md, "Segment definition") into a Rule, or says what is wrong, rule by rule."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pushplatform.sites import public_ids
from subscribers.errors import Fault
from subscribers.models import Segment
from subscribers.segments.catalogue import DEVICE_AND_CONTACT_FIELDS
from subscribers.segments.fields import Catalogue, Surroundings, Wrong
from subscribers.segments.rule import NOBODY, All, AnyOf, Not, Rule, Saved, Test

DEEPEST = 10
MOST_RULES = 200
MOST_RULES_IN_ALL = 2000
"""With the rules of the segments that it refers to."""


class DefinitionError(ValueError):
    """A definition cannot be understood; `errors` are (JSON pointer, code, detail)."""

    def __init__(self, errors: list[Fault]):
        super().__init__("; ".join(f"{fault.pointer or '/'}: {fault.detail}" for fault in errors))
        self.errors = errors


def parse(
    definition: Any,
    site_id: int,
    catalogue: Catalogue = DEVICE_AND_CONTACT_FIELDS,
    *,
    segment_id: int | None = None,
    saved: Mapping[str, Any] | None = None,
) -> Rule:
    """The rule of a definition of this Site; raises DefinitionError.

    `segment_id`: whose definition it is or will be, so that a cycle through it is found; None for a new one.
    `saved`: what `referred_to` gave, to be read instead of the segments as they are now.
    """
    parser = _Parser(site_id, catalogue, saved)
    rule = parser.definition(definition, () if segment_id is None else (segment_id,))
    if parser.faults or rule is None:
        raise DefinitionError(parser.faults)
    return rule


def referred_to(definitions: Iterable[Any], site_id: int, catalogue: Catalogue) -> dict[str, Any]:
    """The segments that these definitions refer to, over any number of others, as JSON that `parse` takes: so a
    definition keeps its meaning while the segments in it change. Raises DefinitionError."""
    parser = _Parser(site_id, catalogue)
    for one in definitions:
        parser.rules = 0
        parser.definition(one, ())
    if parser.faults:
        raise DefinitionError(parser.faults)
    return {str(found.pk): {"name": found.name, "definition": found.definition} for found in parser.found.values()}


class Understood(NamedTuple):
    """A rule, and in one sentence why it is nobody's; empty when the definition was understood."""

    rule: Rule
    problem: str


def understand(definition: Any, site_id: int, catalogue: Catalogue = DEVICE_AND_CONTACT_FIELDS) -> Understood:
    """The rule of a definition that was sound once. What cannot be understood any more matches nobody, and says so.

    As an exclusion nobody is the wrong way to err: whoever excludes by it must stop when there is a problem.
    """
    try:
        return Understood(parse(definition, site_id, catalogue), "")
    except DefinitionError as error:
        return Understood(NOBODY, str(error))


class _Parser:
    """Parses one definition and those it refers to. A rule that is wrong becomes a fault, the others are still read."""

    def __init__(self, site_id: int, catalogue: Catalogue, saved: Mapping[str, Any] | None = None):
        self.site_id = site_id
        self.saved_then = saved
        self.found: dict[int, Segment] = {}
        self.catalogue = catalogue
        self.surroundings = Surroundings(site_id)
        self.faults: list[Fault] = []
        self.rules = 0  # of this definition
        self.rules_in_all = 0

    def definition(self, raw: Any, within: tuple[int, ...]) -> Rule | None:
        """`within`: the segments on the way to this definition, itself included."""
        if isinstance(raw, dict) and raw:
            return self.rule(raw, "", 1, within)
        detail = 'must be an object with a rule; everyone is {"all": []}'
        self.faults.append(Fault("", "empty_definition", detail))
        return None

    def rule(self, raw: Any, at: str, depth: int, within: tuple[int, ...]) -> Rule | None:
        self.rules += 1
        self.rules_in_all += 1
        if self.faults and self.faults[-1].code == "too_many_rules":
            return None  # once is enough
        try:
            return self.understood(raw, at, depth, within)
        except Wrong as wrong:
            self.faults.append(Fault(_at(at, wrong.member), wrong.code, wrong.detail))
            return None

    def understood(self, raw: Any, at: str, depth: int, within: tuple[int, ...]) -> Rule | None:
        if self.rules > MOST_RULES or self.rules_in_all > MOST_RULES_IN_ALL:
            raise Wrong("", "too_many_rules", f"a segment has at most {MOST_RULES} rules")
        if depth > DEEPEST:
            raise Wrong("", "too_deep", f"groups nest at most {DEEPEST} deep")
        if not isinstance(raw, dict):
            raise Wrong("", "invalid_rule", "must be an object with all, any, not, field or segment")
        kinds = [kind for kind in ("all", "any", "not", "field", "segment") if kind in raw]
        if len(kinds) != 1:
            raise Wrong("", "invalid_rule", "must have exactly one of all, any, not, field and segment")
        kind = kinds[0]
        if kind == "field":
            return self.test(raw)
        if extra := sorted(raw.keys() - {kind}):
            raise Wrong(
                _escaped(extra[0]), "unknown_member", f"{extra[0]!r} means nothing beside {kind!r}; take it out"
            )
        if kind == "segment":
            return self.saved(raw["segment"], within)
        if kind == "not":
            inner = self.rule(raw["not"], f"{at}/not", depth + 1, within)
            return inner and Not(inner)
        return self.group(kind, raw[kind], f"{at}/{kind}", depth, within)

    def group(self, kind: str, raw: Any, at: str, depth: int, within: tuple[int, ...]) -> Rule:
        if not isinstance(raw, list):
            raise Wrong(kind, "invalid_type", "must be a list of rules")
        if kind == "any" and not raw:
            raise Wrong(kind, "empty_any", "nobody matches any of no rules; add one")
        rules = [self.rule(one, f"{at}/{number}", depth + 1, within) for number, one in enumerate(raw)]
        found = tuple(rule for rule in rules if rule is not None)
        return All(found) if kind == "all" else AnyOf(found)

    def test(self, raw: Mapping[str, Any]) -> Rule:
        if not isinstance(raw["field"], str):
            raise Wrong("field", "invalid_type", "must be the name of a field")
        field = self.catalogue.find(raw["field"], self.surroundings)
        op = raw.get("op")
        if not isinstance(op, str) or op not in field.operators:
            raise Wrong("op", "unknown_operator", f"must be one of {', '.join(field.operators)}")
        operator = field.operators[op]
        takes = operator.takes
        if extra := sorted(raw.keys() - {"field", "op"} - takes.members):
            raise Wrong(_escaped(extra[0]), "unknown_member", f"{extra[0]!r} means nothing with {op!r}; take it out")
        value = takes.parse({name: raw[name] for name in takes.members if name in raw}, self.surroundings)
        return Test(field, op, value)

    def saved(self, raw: Any, within: tuple[int, ...]) -> Rule | None:
        found = self.segment(raw)
        if found.id in within:
            raise Wrong("segment", "segment_cycle", f"leads back to the segment {found.name!r} itself")
        if len(within) >= DEEPEST:
            raise Wrong("segment", "too_deep", f"segments refer to each other at most {DEEPEST} deep")
        own = self.rules, self.faults
        self.rules, self.faults = 0, []
        rule = self.definition(found.definition, (*within, found.id))
        inner = self.faults
        self.rules, self.faults = own
        if inner or rule is None:  # its pointer leads into another definition: the name has to do
            known = inner[0].code in ("segment_cycle", "too_deep", "too_many_rules")
            raise Wrong("segment", inner[0].code if known else "broken_segment", f"{found.name!r}: {inner[0].detail}")
        return Saved(found.id, found.name, rule)

    def segment(self, raw: Any) -> Segment:
        try:
            number = public_ids.decode("seg", raw)
        except (public_ids.UnknownId, AttributeError):
            number = 0
        if number not in self.found:
            self.found[number] = self.look_up(number)
        return self.found[number]

    def look_up(self, number: int) -> Segment:
        if self.saved_then is not None and (then := self.saved_then.get(str(number))):
            return Segment(pk=number, site_id=self.site_id, name=then["name"], definition=then["definition"])
        found = Segment.objects.filter(pk=number, site_id=self.site_id).first()
        if found is None:
            raise Wrong("segment", "unknown_segment", "is no segment of this Site")
        return found


def _at(pointer: str, member: str) -> str:
    return f"{pointer}/{member}" if member else pointer


def _escaped(member: str) -> str:
    """A member's name as a part of a JSON pointer (RFC 6901 §3)."""
    return member.replace("~", "~0").replace("/", "~1")
