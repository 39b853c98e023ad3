"""Acts that happen once however often they are asked for, by the header Idempotency-Key (api.md, POST /messages)."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.http import HttpRequest

from pushplatform.api.models import Idempotency
from pushplatform.api.problems import Problem

MAX_KEY: Final = 255
"""Characters."""

KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to the client; `replayed`: it was said before."""

    status: int
    body: dict[str, Any]
    replayed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {"Idempotent-Replayed": "true"} if self.replayed else {}


def read_key(request: HttpRequest) -> str:
    """The request's Idempotency-Key; raises Problem where it is missing or cannot be used."""
    key = str(request.headers.get("Idempotency-Key", "")).strip()
    if not key:
        raise Problem("idempotency_key_required")
    if len(key) > MAX_KEY or not key.isascii() or not key.isprintable():
        raise Problem("invalid_idempotency_key")
    return key


def body_hash(act: str, body: Any) -> bytes:
    """SHA-256 of the act's name and the body's canonical JSON: names sorted, no spaces."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{act}\0{canonical}".encode()).digest()


def once(site_id: int, key: str, act: str, body: Any, now: datetime, work: Callable[[], Answer]) -> Answer:
    """The answer to `act` with this body: of `work`, or of the first time it was asked.

    `work` runs in the transaction that stores its answer, so both are there or neither; what it raises is not stored.
    Raises Problem idempotency_in_progress while another is at it, idempotency_key_reused for another body.
    """
    digest = body_hash(act, body)
    with transaction.atomic():
        _lock(site_id, key)
        stored = Idempotency.objects.filter(site_id=site_id, key=key).first()
        if stored is not None and stored.created_at > now - KEPT:
            if bytes(stored.body_hash) != digest:
                raise Problem("idempotency_key_reused")
            return Answer(stored.status, stored.answer, replayed=True)
        if stored is not None:
            stored.delete()
        answer = work()
        Idempotency.objects.create(site_id=site_id, key=key, body_hash=digest, status=answer.status, answer=answer.body)
        return answer


def _lock(site_id: int, key: str) -> None:
    """Holds (site, key) to the end of the transaction; a statement after it sees what the former holder committed."""
    number = int.from_bytes(hashlib.sha256(f"{site_id}\0{key}".encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise Problem("idempotency_in_progress", headers={"Retry-After": "1"})


def forget_old(now: datetime) -> int:
    """Deletes the answers that are no longer replayed; returns how many."""
    return Idempotency.objects.filter(created_at__lte=now - KEPT).delete()[0]
