"""Makes the partitions of the fact tables: calendar months, cut by time or by time-ordered message ids.

Message ids are `(milliseconds since 2025-01-01) << 20 | (sequence mod 2^20)`, so a month is a plain range of ids and
dropping a month is dropping a partition.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

MONTHS_AHEAD = 3
MONTHS_BACK = {"behaviour": 12}  # events arrive with the time they happened
MESSAGE_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
BY_TIME = ("consent_record", "behaviour")
BY_MESSAGE = ("recipient", "delivery", "receipt")


def first_message_id(at: datetime) -> int:
    """The smallest message id that could be made at `at`."""
    return int((at - MESSAGE_EPOCH).total_seconds() * 1000) << 20


def make_partitions(cursor: Any, now: datetime) -> list[str]:
    """Makes what is missing for the month of `now` and the three after it; returns the names of new partitions."""
    made = []
    for table in BY_TIME + BY_MESSAGE:
        cursor.execute("select to_regclass(%s)", [table])
        if cursor.fetchone()[0] is None:
            continue  # its app has not been migrated yet
        for start, end in _months(now, MONTHS_BACK.get(table, 0)):
            name = f"{table}_{start:%Y_%m}"
            cursor.execute("select to_regclass(%s)", [name])
            if cursor.fetchone()[0] is None:
                _make(cursor, table, name, start, end)
                made.append(name)
    return made


def _make(cursor: Any, table: str, name: str, start: datetime, end: datetime) -> None:
    low, high = (
        (f"'{start.isoformat()}'", f"'{end.isoformat()}'")
        if table in BY_TIME
        else (str(first_message_id(start)), str(first_message_id(end)))
    )
    cursor.execute(f"create table {name} partition of {table} for values from ({low}) to ({high})")
    if table == "consent_record":
        # Row triggers are inherited, statement triggers are not: without its own a partition could be truncated.
        cursor.execute(
            f"create trigger {name}_no_truncate before truncate on {name} "
            "for each statement execute function consent_record_is_append_only()"
        )


def _months(now: datetime, back: int) -> Iterator[tuple[datetime, datetime]]:
    first = now.year * 12 + now.month - 1 - back
    for month in range(first, first + back + MONTHS_AHEAD + 1):
        yield _month(month), _month(month + 1)


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
