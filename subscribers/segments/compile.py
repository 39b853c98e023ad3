"""Makes one parametrised SQL query of Rules: a condition for each, and the tables that their tests read."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.utils import timezone

from subscribers.segments.fields import CONTACTS, MEMBER, NARROW, STATISTICS, Member, Sql, Table, found_in, written
from subscribers.segments.rule import All, AnyOf, Not, Rule, Saved, Test
from subscribers.segments.sets import Sets

_FACTS: Final = re.compile(r"\bfacts(\d)?\.")
_PLAIN: Final = {
    "c": ("left join contact c on c.id = d.contact_id", "c.id"),
    "s": ("left join device_stats s on s.device_id = d.id", "s.device_id"),
    "u": ("left join subscription u on u.device_id = d.id", "u.device_id"),
}
"""The tables that tests read by a fixed alias, and a column that is null where there is no row."""


class Compiled(NamedTuple):
    """`select … from device d {tables} where {condition}`, with the parameters of both parts."""

    tables: str
    table_parameters: list[Any]
    condition: str
    parameters: list[Any]


class Compiler:
    """Compiles any number of Rules against one `device d`, and joins what all of them read, each table once."""

    def __init__(self, now: datetime | None = None, *, by_sets: bool = False):
        """`now`: what "within 30 days" counts back from; None is the present. `by_sets`: the query begins with `sets`,
        and looks at every device."""
        self._now = now or timezone.now()
        self._sets = Sets() if by_sets else None
        self._tables: dict[str, tuple[str, Table]] = {}  # by what tells them apart: alias and table
        self._aliases: set[str] = set()
        self._can_be_narrowed = True

    def condition(self, rule: Rule, *, required: bool = True) -> Sql:
        """The expression of a rule, to be given to `settled`. It may be null, which counts as false.

        `required`: whether nobody is meant for whom it does not hold.
        """
        if self._sets and not isinstance(rule, Not) and (of_contacts := _of_contacts(rule, self._now)):
            return found_in("d.contact_id", "c.id", CONTACTS, *of_contacts[:2])
        match rule:
            case All(rules):
                return self._joined(All, rules, required)
            case AnyOf(rules):
                return self._joined(AnyOf, rules, required and len(rules) == 1)
            case Not(inner):
                return _not(self.condition(inner, required=False))
            case Test(field, op, value):
                return self.test(field.operators[op].sql(value, self._now), required=required)
            case Saved():
                return self.condition(rule.rule, required=required)

    def _joined(self, kind: type[All | AnyOf], rules: tuple[Rule, ...], required: bool) -> Sql:
        if self._sets:
            # One set of contacts for all rules that read nothing else.
            contacts = [rule for rule in rules if _of_contacts(rule, self._now)]
            if len(contacts) > 1:
                rules = (*(rule for rule in rules if rule not in contacts), kind(tuple(contacts)))
        return _both(kind, [self.condition(rule, required=required) for rule in rules])

    def expression(self, sql: Sql) -> Sql:
        """An expression of a field, in brackets, with its tables joined; to be given to `settled`."""
        names = [self._tables.setdefault(repr(one), (f"f{len(self._tables)}", one))[0] for one in sql.tables]
        text = _FACTS.sub(lambda match: f"{names[int(match[1] or 1) - 1]}.", sql.text)
        self._aliases.update(_read(text))
        self._can_be_narrowed &= all(one.of_devices for one in sql.parameters if isinstance(one, Member))
        return Sql(f"({text})", sql.parameters)

    def test(self, sql: Sql, *, required: bool = True) -> Sql:
        """The condition of one test.

        Where it cannot hold without a row of a table it says so: the planner does not see it in everything, and only
        then looks at each contact once, before it joins (3 times as fast).
        """
        found = self.expression(sql)
        if found.text.endswith("is not true))"):
            return found
        if required and not self._sets and any(_asks_statistics(one) for one in found.parameters):
            self._aliases.add("s")
        rows = [_PLAIN[alias][1] for alias in _read(found.text)]
        return found._replace(text="".join(["(", *(f"{column} is not null and " for column in rows), found.text, ")"]))

    def settled(self, sql: Sql, narrow: str = "", parameters: Sequence[Any] = ()) -> Sql:
        """An expression as it stands beside `joins`, when all are compiled; `narrow` as there.

        Statistics that are joined anyway answer every condition on them. Else they are asked for a set of devices: to
        join all of them for a `not`, or one of several rules, takes half as long again.
        """

        def write(member: Member) -> Sql:
            if self._sets:
                return self._sets.ask(member)
            column, ids, relation, where, own = member
            if "s" in self._aliases and relation == STATISTICS:
                return Sql(f"({ids} is not null and {where})", own)
            further = f" and {ids} {narrow}" if narrow and member.of_devices else ""
            return Sql(
                f"{column} in (select {ids} from {relation} where ({where}){further})",
                (*own, *(parameters if further else ())),
            )

        return written(sql, write)

    def sets(self) -> Sql:
        """What the query begins with, once everything is settled."""
        return self._sets.prefix() if self._sets else Sql("")

    def read(self, alias: str) -> None:
        """Joins contact `c`, device_stats `s` or subscription `u` whatever the rules read."""
        self._aliases.add(alias)

    def joins(self, narrow: str = "", narrow_parameters: Iterable[Any] = ()) -> Sql:
        """What stands after `from device d`. `narrow`: keeps the tables of facts to some devices: `in (select …)`."""
        joins = [_PLAIN[alias][0] for alias in sorted(self._aliases)]
        parameters: list[Any] = []
        for name, table in self._tables.values():
            narrowed = f"and {table.device} {narrow}" if narrow and table.device else ""
            on = table.on.replace("facts.", f"{name}.")
            joins.append(f"left join {table.query.replace(NARROW, narrowed)} {name} on {on}")
            parameters += [*table.parameters, *(narrow_parameters if narrowed else ())]
        return Sql(" ".join(joins), tuple(parameters))

    @property
    def can_be_narrowed(self) -> bool:
        """Whether all facts that are read know their devices."""
        return self._can_be_narrowed and all(table.device for _, table in self._tables.values())


def _read(text: str) -> list[str]:
    """The aliases that an expression reads."""
    return [alias for alias in _PLAIN if re.search(rf"\b{alias}\.", text)]


def _asks_statistics(parameter: Any) -> bool:
    return isinstance(parameter, Member) and parameter.relation == STATISTICS


def _not(sql: Sql) -> Sql:
    # Null counts as false everywhere; and, or keep it so, only here it would turn into something else.
    return Sql(f"({sql.text} is not true)", sql.parameters)


def _both(kind: type[All | AnyOf], parts: Sequence[Sql]) -> Sql:
    word, of_none = (" and ", "true") if kind is All else (" or ", "false")
    if not parts:
        return Sql(of_none)
    text = "(" + word.join(part.text for part in parts) + ")"
    return Sql(text, tuple(parameter for part in parts for parameter in part.parameters))


def _of_contacts(rule: Rule, now: datetime) -> Sql | None:
    """The condition of a rule that reads contacts `c` and nothing else."""
    match rule:
        case All(rules) | AnyOf(rules):
            parts = [_of_contacts(one, now) for one in rules]
            found = [one for one in parts if one]
            return _both(type(rule), found) if found and len(found) == len(parts) else None
        case Not(inner):
            negated = _of_contacts(inner, now)
            return _not(negated) if negated else None
        case Saved():
            return _of_contacts(rule.rule, now)
        case Test(field, op, value):
            sql = field.operators[op].sql(value, now)
            reads_more = sql.tables or re.search(r"\bd\.", sql.text) or MEMBER in sql.text
            return Sql(f"({sql.text})", sql.parameters) if _read(sql.text) == ["c"] and not reads_more else None


def compile_rule(rule: Rule, now: datetime | None = None) -> Compiled:
    """One rule as SQL; `now` as of Compiler."""
    compiler = Compiler(now)
    condition = compiler.settled(compiler.condition(rule))
    joins = compiler.joins()
    return Compiled(joins.text, list(joins.parameters), condition.text, list(condition.parameters))
