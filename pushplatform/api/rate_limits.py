"""How much a key may ask for: a token bucket for each, in Redis when there is one, else in PostgreSQL.

A bucket holds what the key may use in a minute and fills up evenly. A call costs a unit, and another for every
ITEMS_PER_UNIT of the items it carries. While Redis is away PostgreSQL counts, from a full bucket: no call fails for it.
"""

import logging
import math
from collections.abc import Callable
from functools import lru_cache
from time import monotonic
from typing import Any, Final, NamedTuple

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.exceptions import APIException, NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from pushplatform.api.authentication import Caller, lacks_scope
from pushplatform.api.problems import Problem

ITEMS_PER_UNIT: Final = 10
REDIS_SECONDS: Final = 0.25
"""The most that a call waits for Redis …"""
REDIS_PAUSE: Final = 5.0
"""… and how long it is left alone after that."""

log = logging.getLogger(__name__)


class Bucket(NamedTuple):
    """A key's bucket after a call. `left`: units; `wait`: seconds until the call would pass, 0 when it did."""

    per_minute: int
    left: float
    wait: float

    @property
    def headers(self) -> dict[str, str]:
        full_in = math.ceil((self.per_minute - self.left) * 60 / self.per_minute)
        said = {"Limit": self.per_minute, "Remaining": max(math.floor(self.left), 0), "Reset": max(full_in, 0)}
        return {f"RateLimit-{name}": str(number) for name, number in said.items()}


def take(caller: Caller, units: int) -> Bucket:
    """Takes units out of the caller's bucket if it has them. A call that is larger than the bucket needs a full one."""
    per_minute = caller.per_minute or settings.API_UNITS_PER_MINUTE
    cost = min(units, per_minute)
    passed, left = _take_in_redis(caller.key_prefix, per_minute, cost) or _take_in_database(
        caller.key_id, per_minute, cost
    )
    return Bucket(per_minute, left, 0 if passed else (cost - left) * 60 / per_minute)


_LUA: Final = """
local most, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local known = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, passed = most, 0
if known[1] then
    left = math.min(most, tonumber(known[1]) + math.max(now - tonumber(known[2]), 0) * most / 60)
end
if left >= cost then
    left, passed = left - cost, 1
end
redis.call('HSET', KEYS[1], 'left', string.format('%.6f', left), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 120)
return {passed, string.format('%.6f', left)}
"""

_SQL: Final = """
    insert into rate_bucket as b (key_id, left_over, passed, at)
    values (%(key)s, %(most)s - %(cost)s, true, statement_timestamp())
    on conflict (key_id) do update set (left_over, passed, at) = (
        select case when n >= %(cost)s then n - %(cost)s else n end, n >= %(cost)s,
               greatest(b.at, statement_timestamp())
        from (select least(%(most)s::float8, b.left_over + %(most)s / 60.0::float8
              * greatest(extract(epoch from statement_timestamp() - b.at), 0)::float8) n) r
    )
    returning passed, left_over"""


def _take_in_database(key_id: int, per_minute: int, cost: int) -> tuple[bool, float]:
    """In a transaction of its own; the table is not logged, so that its commit waits for no disk."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL, {"key": key_id, "most": per_minute, "cost": cost})
        passed, left = cursor.fetchone()
    return passed, left


class _Redis:
    """The bucket script on one Redis server; None from `take` while that does not answer."""

    def __init__(self, url: str):
        wait = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
        self._script = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **wait).register_script(_LUA)
        self._away_until = 0.0

    def take(self, name: str, per_minute: int, cost: int) -> tuple[bool, float] | None:
        if monotonic() < self._away_until:
            return None
        try:
            passed, left = self._script(keys=[f"pushplatform:limit:{name}"], args=[per_minute, cost])
        except redis.RedisError as error:
            self._away_until = monotonic() + REDIS_PAUSE
            log.warning("Redis does not answer (%s): PostgreSQL counts the limits of keys", type(error).__name__)
            return None
        return bool(passed), float(left)


@lru_cache(maxsize=4)
def _redis(url: str) -> _Redis:
    return _Redis(url)


def _take_in_redis(name: str, per_minute: int, cost: int) -> tuple[bool, float] | None:
    url = settings.RATE_LIMIT_URL
    return _redis(url).take(name, per_minute, cost) if url else None


class LateNegotiation(DefaultContentNegotiation):
    """Leaves the refusal of an Accept header to WithinLimit: REST framework looks at it before the key is known."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable as error:
            request._request.not_acceptable = error
            return renderers[0], renderers[0].media_type


class WithinLimit(BasePermission):
    """Counts the call against the key's limit before anything else is looked at, so that a refused one counts too.

    A view that takes many items in one call names the body's list in `weighed`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            return True  # HasScope asks for the key
        plain = request._request
        refused: Exception | None = getattr(plain, "not_acceptable", None)
        items = 0
        try:
            items = 0 if refused else _items(request, view)
        except (Problem, APIException) as error:
            refused = error
        plain.items = items  # for the request log
        units = 1 + items // ITEMS_PER_UNIT
        plain.bucket = bucket = take(request.auth, units)
        if bucket.wait:
            wait = math.ceil(bucket.wait)
            most, left = bucket.per_minute, math.floor(bucket.left)
            detail = f"The call costs {min(units, most):,} of the key's {most:,} units a minute; {left:,} are left. "
            detail += f"Try again in {wait} s."
            raise Problem("rate_limited", detail, headers={"Retry-After": str(wait)})
        if refused is not None:
            raise refused
        return True


def _items(request: Request, view: Any) -> int:
    """How many items the body has where that counts; raises what is wrong with the body as a whole."""
    name = getattr(view, "weighed", None)
    if name is None or request.method != "POST" or lacks_scope(request, view):
        return 0
    listed = request.data.get(name) if isinstance(request.data, dict) else None
    return len(listed) if isinstance(listed, list) else 0


class RateLimitMiddleware:
    """Tells every caller with a key what is left."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        bucket: Bucket | None = getattr(request, "bucket", None)
        if bucket is not None:
            for name, value in bucket.headers.items():
                response[name] = value
        return response
