"""The samples of bad answers, as a campaign's page tells them."""

from typing import Any

from django.utils import timezone

from campaigns.admin.reasons import code_of
from campaigns.models import AnswerSample, Campaign, Message
from pushplatform.webpush.outcome import ERRORS
from subscribers.admin.words import service_name

_BECAME = {"device_gone": "device retired", "gave_up": "tried again", "no_answer": "tried again"}
_MOST = 40


def answers_of(campaign: Campaign) -> list[dict[str, Any]]:
    """Each kind of bad answer to the campaign's messages, the most frequent first."""
    messages = Message.objects.filter(campaign=campaign).values("pk")
    samples = AnswerSample.objects.filter(message_id__in=messages).order_by("-number", "pk")
    return [_told(sample) for sample in samples[:_MOST]]


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
