"""Conditions on other tables as sets of ids, for counts that look at every device.

A set is a string of bits, worked out once for the whole query: bit n % 8 of byte n // 8 tells whether id n is in it,
as `get_bit` reads it. A million ids are 125 kB, which stay in a processor's cache where a hash table of them does not,
and several processes may look at it; to join a million contacts to their devices takes four times as long. Ids count up
from 1 for all Sites together, so the string is as long as the highest id, and everybody's rows are read for it:
`pay_off` says whether that is worth it.
"""

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from subscribers.segments.fields import CONTACTS, STATISTICS, Member, Sql

LARGEST: Final = 20_000_000
"""Ids: a string of 2.5 MB, made in 0.1 s."""

SHARE: Final = 0.25
"""Of all ids, that are devices of the Site. Of fewer PostgreSQL had better look each up."""

_HIGHEST: Final = {"d.id": "device", "d.contact_id": "contact"}
"""The table whose highest id no id of a device in the same query exceeds."""


def pay_off(site_id: int) -> bool:
    """Whether a query over all devices of this Site is faster by sets, as far as the planner knows their number."""
    with connection.cursor() as cursor:
        cursor.execute("select greatest((select max(id) from device), (select max(id) from contact), 1)")
        (highest,) = cursor.fetchone()
        cursor.execute("explain (format json) select from device where site_id = %s", [site_id])
        ((plan,),) = cursor.fetchone()
    return highest <= LARGEST and plan["Plan"]["Plan Rows"] >= SHARE * highest


class Sets:
    """The sets that one query asks, each worked out once however often it is asked."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[str, str]] = {}  # by what tells Members apart: relation and column
        self._members: dict[str, list[Member]] = {}  # by relation

    def ask(self, member: Member) -> Sql:
        """The expression for a Member. As a condition on a contact it may hold of a device without one."""
        relation, column = self._place(member)
        found = f"get_bit((select {column} from {relation}), {member.column}) > 0"
        if member.relation != CONTACTS:
            return Sql(f"({found})")
        return Sql(f"coalesce({found}, (select {column}_of_nobody from {relation}))")

    def _place(self, member: Member) -> tuple[str, str]:
        told_apart = repr(member)
        if told_apart not in self._columns:
            # All conditions on statistics are looked at in one scan of them.
            relation = "of_statistics" if member.relation == STATISTICS else f"set{len(self._members) + 1}"
            members = self._members.setdefault(relation, [])
            members.append(member)
            self._columns[told_apart] = relation, f"ids{len(members)}"
        return self._columns[told_apart]

    def prefix(self) -> Sql:
        """`with …`, or nothing, before the query that asks."""
        if not self._members:
            return Sql("")
        made = [(relation, _made(members)) for relation, members in self._members.items()]
        text = ", ".join(f"{relation} as materialized ({one.text})" for relation, one in made)
        return Sql(f"with {text} ", tuple(parameter for _, one in made for parameter in one.parameters))


def _made(members: Sequence[Member]) -> Sql:
    """A query of one row, with the sets of Members of one relation as columns ids1, ids2, …"""
    column, ids, relation, where, own = members[0]
    sets, bits, parameters = [], [], list[Any]()
    if relation == CONTACTS:
        sets.append(f"(select ({where}) is true from (select) x left join contact c on false) ids1_of_nobody")
        parameters += own
    for number, member in enumerate(members, 1):
        sets.append(f"string_agg(int8send(coalesce(bits{number}, 0)), '' order by page) ids{number}")
        # int8send puts the highest byte first: the number of the byte within eight is turned round.
        some = f" filter (where {member.where})" if len(members) > 1 else ""
        bits.append(f"bit_or(1::bigint << (({ids} # 56) & 63)::int){some} bits{number}")
        parameters += member.parameters if some else ()
    either = " or ".join(f"({member.where})" for member in members)
    high, low = page(ids)
    found = f"select {high} high, {low} low, {', '.join(bits)} from {relation} where {either} group by 1, 2"
    return Sql(
        f"select {', '.join(sets)} from generate_series(0, (select max(id) >> 6 from {_HIGHEST[column]})) page"
        f" left join ({found}) found on (high << 8) + low = page",
        (*parameters, *(parameter for member in members for parameter in member.parameters)),
    )


def page(id_: str) -> tuple[str, str]:
    """What ids of the same 64 have in common, in two parts, to group by.

    In two, because PostgreSQL estimates the number of combinations of expressions well, by statistics that a migration
    makes, and that of a single one badly: it would expect as many groups as ids, and gather before it groups.
    """
    return f"{id_} >> 14", f"({id_} >> 6) & 255"
