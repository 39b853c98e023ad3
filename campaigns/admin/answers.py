"""The samples of bad answers, as a campaign's page tells them."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Sum
from django.utils import timezone

from campaigns.admin.reasons import code_of, number_of
from campaigns.models import AnswerSample, Campaign, Message
from pushplatform.partitions import first_message_id
from pushplatform.sites.models import Site
from pushplatform.webpush.outcome import ERRORS
from subscribers.admin.words import service_name

_BECAME = {
    "device_gone": "device retired",
    "gave_up": "tried again",
    "no_answer": "tried again",
    "key_refused": "our key refused",  # failed, or kept waiting where that pauses the key
}
_GONE = number_of("device_gone")
_MOST = 40
_MOST_OF_A_SERVICE = 8
_LATELY = timedelta(days=1)


def answers_of(campaign: Campaign) -> list[dict[str, Any]]:
    """Each kind of bad answer to the campaign's messages, the most frequent first."""
    messages = Message.objects.filter(campaign=campaign).values("pk")
    samples = AnswerSample.objects.filter(message_id__in=messages).order_by("-number", "pk")
    return [_told(sample) for sample in samples[:_MOST]]


def answers_of_services(sites: Collection[Site], now: datetime) -> dict[int, list[dict[str, Any]]]:
    """The kinds of bad answers to messages of these Sites that came within a day, by push service, the newest first.

    How many there were is of the messages that had one within the day; what is told of a kind is its newest sample.
    """
    since = now - _LATELY
    # A message lives for 28 days at most: older ones have no answers any more.
    messages = Message.objects.filter(site__in=sites, pk__gte=first_message_id(now - timedelta(days=29))).values("pk")
    # That a browser has left says nothing of the push service.
    recent = AnswerSample.objects.filter(message_id__in=messages, last_at__gt=since).exclude(reason=_GONE)
    kinds = recent.values("service", "http_code", "reason", "error").annotate(
        total=Sum("number"), newest=Max("pk"), last=Max("last_at")
    )
    chosen: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for kind in kinds.order_by("service", "-last"):
        if len(chosen[kind["service"]]) < _MOST_OF_A_SERVICE:
            chosen[kind["service"]].append(kind)
    samples = AnswerSample.objects.in_bulk([kind["newest"] for rows in chosen.values() for kind in rows])
    return {
        service: [
            _told(samples[kind["newest"]]) | {"number": kind["total"], "last": _moment(kind["last"])} for kind in rows
        ]
        for service, rows in chosen.items()
    }


def _told(sample: AnswerSample) -> dict[str, Any]:
    code = code_of(sample.reason) or ""
    return {
        "status": sample.http_code or "No answer",
        "service": service_name(sample.service),
        "became": _BECAME.get(code, "failed"),
        "code": code,
        "number": sample.number,
        "body": sample.body if sample.http_code else ERRORS.get(sample.error, ""),
        "headers": sorted(sample.headers.items()),
        "first": _moment(sample.first_at),
        "last": _moment(sample.last_at) if sample.number > 1 else None,
    }


def _moment(at: Any) -> str:
    return f"{timezone.localtime(at):%-d %b, %H:%M:%S}"
