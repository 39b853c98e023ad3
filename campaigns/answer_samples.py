"""Keeps one sample of each kind of bad answer for those who operate the platform; nothing of an endpoint is in it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pushplatform.webpush.outcome import REASONS, Answer, Verdict

MOST: Final = 20
"""Kinds kept of a message; what comes after them is in the counters alone."""

MAX_BODY: Final = 500
"""Bytes."""

BLANK: Final = "[…]"
_MAX_HEADER: Final = 120
_MAX_HEADERS: Final = 8
_SHOWN_HEADER = re.compile(r"retry-after|x-wns-[a-z-]{1,40}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)
_PATH_OF_A_URL = re.compile(r"(\bhttps?:(?:\\?/){2}[^\s/\\?#\"'<>]+)\\?[/?#][^\s\"'<>]*", re.IGNORECASE)
_RUN = re.compile(r"[A-Za-z0-9_-]{8,}")
# Control characters, which PostgreSQL (NUL) or a page would choke on, and those that turn the direction of text.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")

Kind = tuple[int, int, int, str]
"""Service, status, number of the reason, error."""


@dataclass(slots=True)
class Sample:
    """So many answers of a kind; `headers` and `body` None where the kind was sampled before."""

    kind: Kind
    number: int
    headers: Mapping[str, str] | None
    body: str | None


class Samples:
    """Gathers the bad answers of a Batch between two records."""

    def __init__(self) -> None:
        self._waiting: dict[Kind, Sample] = {}
        self._seen: set[Kind] = set()

    def note(self, service: int, verdict: Verdict, answer: Answer, endpoint: str) -> None:
        """Counts the answer when it is a bad one, and keeps what it said if it is the first of its kind."""
        if verdict.reason is None:
            return
        kind = (int(service), answer.status, REASONS[verdict.reason].number, answer.error or "")
        sample = self._waiting.get(kind)
        if sample is not None:
            sample.number += 1
        elif kind in self._seen:
            self._waiting[kind] = Sample(kind, 1, None, None)
        else:
            self._seen.add(kind)
            self._waiting[kind] = Sample(kind, 1, shown_headers(answer.headers, endpoint), shown(answer.body, endpoint))

    def take(self) -> list[Sample]:
        """What came since the last time."""
        taken, self._waiting = list(self._waiting.values()), {}
        return taken


def shown(body: bytes, endpoint: str) -> str:
    """The first MAX_BODY bytes of an answer, in which what looks like an endpoint or a token is blanked."""
    text = without_secrets(body.decode("utf-8", "replace"), endpoint)  # before the cut: half a token is one no more
    return text.encode()[:MAX_BODY].decode("utf-8", "ignore").strip()


def shown_headers(headers: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Those that say why or until when, blanked alike."""
    kept = [(name, value) for name, value in headers.items() if _SHOWN_HEADER.fullmatch(name)]
    return {name: without_secrets(value, endpoint)[:_MAX_HEADER] for name, value in kept[:_MAX_HEADERS]}


def without_secrets(text: str, endpoint: str) -> str:
    """The text without paths of URLs, without any 8 characters in a row that the endpoint's path has as a word or
    part of one, and without what is too long and mixed to be a word."""
    path = _ORIGIN.sub("", endpoint, count=1).lower()
    pieces = _RUN.findall(path)

    def blanked(found: re.Match[str]) -> str:
        run = found[0].lower()
        is_part = run in path or any(piece in run for piece in pieces)
        is_mixed = len(run) >= 20 and any(character.isdigit() for character in run)
        return BLANK if is_part or is_mixed or len(run) >= 40 else found[0]

    return _RUN.sub(blanked, _PATH_OF_A_URL.sub(rf"\1/{BLANK}", _UNPRINTABLE.sub(" ", text)))


def write(cursor: Any, message_id: int, samples: Iterable[Sample], now: datetime) -> None:
    """Adds to the message's samples, of which the first of a kind stays as it is."""
    # In one order everywhere, so that two transactions never wait for each other.
    ordered: Sequence[Sample] = sorted(samples, key=lambda sample: sample.kind)
    cursor.execute(
        """with o as (select * from unnest(%s::smallint[], %s::smallint[], %s::smallint[], %s::text[], %s::bigint[],
                                           %s::text[], %s::text[]) with ordinality o(v, h, r, e, n, headers, body, no)),
                known as (select service v, http_code h, reason r, error e from answer_sample where message_id = %s),
                x as (select o.*, k.v is not null is_known,
                             count(*) filter (where k.v is null) over (order by no) nth
                      from o left join known k on (k.v, k.h, k.r, k.e) = (o.v, o.h, o.r, o.e))
           insert into answer_sample (message_id, service, http_code, reason, error, number, headers, body,
                                      first_at, last_at)
           select %s, v, h, r, e, n, headers::jsonb, body, %s, %s from x
           where is_known or nth <= %s - (select count(*) from known) order by no
           on conflict (message_id, service, http_code, reason, error) do update
           set number = answer_sample.number + excluded.number, last_at = greatest(answer_sample.last_at, %s)""",
        [
            *([sample.kind[place] for sample in ordered] for place in range(4)),
            [sample.number for sample in ordered],
            [json.dumps(sample.headers or {}) for sample in ordered],
            [sample.body or "" for sample in ordered],
            message_id,
            message_id,
            now,
            now,
            MOST,
            now,
        ],
    )
