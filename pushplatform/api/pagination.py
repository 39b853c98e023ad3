"""Lists of the CRM API (api.md): `limit`, `cursor` and `updated_since` in, `{data, next_cursor}` out.

A list is ordered by (updated_at, id) unless the caller says otherwise. A cursor is the place after the last row, not a
count of rows: what comes or goes meanwhile moves nobody's page.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from django.db.models import DateTimeField, Model, Q, QuerySet
from rest_framework.request import Request

from pushplatform.api.fields import Fields, refuse
from pushplatform.webpush.keys import b64url, b64url_decode

MOST_ROWS: Final = 500
ROWS: Final = 100
"""Rows of a page where no limit is asked for."""

BY_UPDATE: Final = ("updated_at", "id")

Row = TypeVar("Row", bound=Model)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST: Final = 2**63 - 1


class Query(Fields):
    """The parameters behind the `?` of an address, read as Fields are; the pointer of an error is `/<parameter>`."""

    def __init__(self, request: Request):
        super().__init__(request.query_params.dict(), [])
        for name, values in request.query_params.lists():
            if len(values) > 1:
                self.wrong(name[:64], "duplicate_parameter", f"{name[:64]} stands twice in the address.")

    def integer(self, name: str, least: int, most: int) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdecimal() or len(text) > 18 or not least <= int(text) <= most:
            self.wrong(name, "out_of_range", f"{name} must be a whole number between {least} and {most}.")
            return None
        return int(text)


def page(
    queryset: QuerySet[Row],
    query: Query,
    serialise: Callable[[list[Row]], list[dict[str, Any]]],
    *,
    order: Sequence[str] = BY_UPDATE,
) -> dict[str, Any]:
    """One page of `queryset` as `{data, next_cursor}`; `next_cursor` is None on the last one.

    `query`: its filters have been read by the caller. `serialise` gets all rows of the page at once, so that it may
    look up what belongs to them in a fixed number of queries. `order`: names of fields, of which the last is unique;
    `updated_since` is taken where the first is `updated_at`. Raises Problem: 422 naming each parameter that is wrong.
    """
    limit = query.integer("limit", 1, MOST_ROWS)
    text = query.text("cursor")
    since = query.time("updated_since") if order[0] == "updated_at" else None
    after = _read(queryset.model, order, text) if text is not None else None
    if text is not None and after is None:
        query.wrong("cursor", "invalid_cursor", "cursor must be the next_cursor of an earlier page of this very list.")
    query.refuse_unknown()
    refuse(query.errors)
    if since is not None:
        queryset = queryset.filter(updated_at__gte=since)
    if after is not None:
        queryset = queryset.filter(_behind(order, after))
    limit = limit or ROWS
    rows = list(queryset.order_by(*order)[: limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    return {"data": serialise(rows), "next_cursor": _write(order, rows[-1]) if more else None}


def _behind(order: Sequence[str], after: Sequence[Any]) -> Q:
    """Rows behind that place; the first field alone bounds it too, so that an index on `order` is entered there."""
    condition = Q(**{f"{order[-1]}__gt": after[-1]})
    for name, value in reversed(list(zip(order[:-1], after[:-1], strict=True))):
        condition = Q(**{f"{name}__gte": value}) & (Q(**{f"{name}__gt": value}) | condition)
    return condition


def _write(order: Sequence[str], row: Any) -> str:
    values = [getattr(row, name) for name in order]
    numbers = [(value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else int(value) for value in values]
    return b64url(".".join(map(str, numbers)).encode())


def _read(model: type[Model], order: Sequence[str], text: str) -> list[Any] | None:
    """The place that a cursor names; None when it is none of `_write`."""
    try:
        numbers = [int(part) for part in b64url_decode(text).decode("ascii").split(".")]
        if len(numbers) != len(order) or any(not 0 <= number <= _LARGEST for number in numbers):
            return None
        return [
            _EPOCH + timedelta(microseconds=number)
            if isinstance(model._meta.get_field(name), DateTimeField)
            else number
            for name, number in zip(order, numbers, strict=True)
        ]
    except (ValueError, OverflowError):
        return None
