"""A campaign under way and afterwards: what came of it? Counters only; the page asks for the newest every second."""

from datetime import datetime
from typing import Any

from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from campaigns import outlook, statistics
from campaigns.admin import figures, launch_dialog, outlook_words, preview, road_words
from campaigns.admin.answers import answers_of
from campaigns.admin.person_messages import with_ticks
from campaigns.admin.reasons import ADVICE, BY_CODE, number_of
from campaigns.admin.refused_keys import refused_keys
from campaigns.models import Batch, Breakdown, Campaign, Delivery, Message
from campaigns.outlook import Course, course_of, roads_now
from pushplatform.sites.access import Right, may
from pushplatform.webpush.outcome import Outcome
from pushplatform.webpush.request import PushService
from subscribers.admin.words import browser_name, service_name, system_name
from subscribers.models import Contact, Device

ALIVE = (Campaign.Status.SCHEDULED, Campaign.Status.SENDING, Campaign.Status.PAUSED)
DIMENSIONS = (
    ("browser", "Browser"),
    ("os", "System"),
    ("language", "Language"),
    ("service", "Push service"),
    ("button", "Button"),
)
PER_PAGE = 50


def results(admin: Any, request: HttpRequest, campaign: Campaign) -> HttpResponse:
    found = statistics.campaign_statistics(campaign.pk)
    totals = found["totals"]
    rows = list(campaign.campaign_segments.select_related("segment").order_by("id"))
    may_steer = may(request.user, Right.COMPOSE, campaign.site_id)
    drawn = preview.draw(campaign.content, campaign.site, preview.NOBODY)
    return admin.page(
        request,
        "campaigns/results.html",
        title=campaign.name,
        obj=campaign,
        campaign=campaign,
        site=campaign.site,
        message=Message.objects.filter(campaign=campaign).first(),
        live=_live(campaign, totals),
        alive=campaign.status in ALIVE,
        totals=totals,
        funnel=figures.funnel(totals),
        sides=figures.sides(totals),
        people=found["people"],
        failures=_failures(found["failures"]),
        unreached=sum(totals[name] for name in ("gone", "failed", "expired", "skipped")),
        answers=answers_of(campaign),
        minutes=[_minute(one) for one in found["minutes"]],
        breakdowns=_breakdowns(found["breakdowns"]),
        unmeasured=max(totals["shown"] - sum(row["shown"] for row in found["breakdowns"]["browser"]), 0),
        until=f"{timezone.localtime():%Y-%m-%dT%H:%M}",
        segments=[row.segment.name for row in rows if not row.excluded],
        excluded=[row.segment.name for row in rows if row.excluded],
        notification=drawn.get("notification"),
        expected=launch_dialog.expected_of(campaign) if campaign.status == Campaign.Status.SCHEDULED else None,
        may_steer=may_steer,
        refused_keys=refused_keys(campaign.site) if campaign.status in ALIVE else [],
        may_resume=may_steer,
    )


def progress(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """The figures of the moment, as JSON: counters only."""
    campaign = admin.object_for(request, object_id, Right.SEE)
    messages = list(Message.objects.filter(campaign=campaign).only("pk", "targeted"))
    totals = figures.totals_of(campaign.pk)
    totals["targeted"] = sum(message.targeted for message in messages)
    totals["remaining"] = max(totals["targeted"] - sum(totals[name] for name in figures.ENDED), 0)
    totals.setdefault("expired_unseen", 0)
    return JsonResponse(_live(campaign, totals))


def _live(campaign: Campaign, totals: dict[str, int]) -> dict[str, Any]:
    done, now = sum(totals[name] for name in figures.ENDED), timezone.now()
    return {
        "status": campaign.status,
        "status_word": campaign.get_status_display(),
        "alive": campaign.status in ALIVE,
        "totals": totals,
        "done": done,
        "funnel": {step["key"]: {"share": step["share"], "width": step["width"]} for step in figures.funnel(totals)},
        "services": _services(campaign, now),
        "outlook": _outlook(campaign, now),
        "now": now.timestamp(),
        "as_of": f"{timezone.localtime(now):%H:%M:%S}",
    }


def _outlook(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """When it ends and what stands in its way; nothing is told of a campaign that is not under way."""
    message_id = Message.objects.filter(campaign=campaign, finished_at=None).values_list("pk", flat=True).first()
    return outlook_words.told(outlook.outlook(message_id, now) if message_id is not None else None, now)


def _services(campaign: Campaign, now: datetime) -> list[dict[str, Any]]:
    """A line per push service: how much there is, how much has gone, whether it slows us."""
    planned = dict(
        Batch.objects.filter(message__campaign=campaign, attempt=1)
        .values_list("service")
        .annotate(total=Sum("n"))
        .order_by("service")
    )
    counted = {row.value: row for row in Breakdown.objects.filter(campaign_id=campaign.pk, dimension="service")}
    slowed = _slowed(campaign, now)
    lines = []
    for service, total in planned.items():
        row = counted.get(PushService(service).name.lower())
        done = sum(getattr(row, name) for name in figures.ENDED) if row else 0
        lines.append(
            {
                "key": service,
                "name": service_name(service),
                "total": total,
                "done": min(done, total),
                "accepted": row.accepted if row else 0,
                "width": round(100 * min(done, total) / total, 1) if total else 0,
                "slowed": slowed.get(service),
            }
        )
    return lines


def _slowed(campaign: Campaign, now: datetime) -> dict[int, str]:
    """Services whose road is not clear, with how it is; of several keys on one, the newest."""
    found = roads_now(campaign.site.vapid_keys.values("pk"), now)
    troubled = sorted((key, road) for key, road in found.items() if course_of(road) != Course.OPEN)
    return {key.service: road_words.short(road, now) for key, road in troubled}


def _failures(failures: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "code": code,
            "number": number,
            "sentence": BY_CODE.get(code, "A reason of before."),
            "advice": ADVICE.get(code),
        }
        for code, number in sorted(failures.items(), key=lambda one: -one[1])
    ]


def _minute(one: dict[str, Any]) -> dict[str, Any]:
    """A minute for the chart, told in the Site's time."""
    local = timezone.localtime(one["minute"])
    return {"at": f"{local:%Y-%m-%dT%H:%M}"} | {name: one[name] for name in ("accepted", "shown", "clicked")}


def _breakdowns(found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    name_of = {"browser": browser_name, "os": system_name, "service": _service_word}
    tables = []
    for dimension, title in DIMENSIONS:
        rows = [
            row
            | {
                "name": name_of.get(dimension, str)(row["value"]) or "unknown",
                "clicked_share": figures.percent(row["clicked"], row["shown"]),
            }
            for row in found.get(dimension, [])
        ]
        tables.append({"dimension": dimension, "title": title, "rows": rows, "clicks_only": dimension == "button"})
    return tables


def _service_word(value: str) -> str:
    return service_name(PushService[value.upper()]) if value.upper() in PushService.__members__ else value


def deliveries(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Who got it, device by device; searched by CRM id. Pages go by the last line seen: nothing is counted."""
    campaign = admin.object_for(request, object_id, Right.SEE)
    wanted, outcome, reason = (request.GET.get(name, "").strip() for name in ("crm", "outcome", "reason"))
    contact = Contact.objects.filter(site_id=campaign.site_id, external_id=wanted).first() if wanted else None
    messages = list(Message.objects.filter(campaign=campaign).values_list("pk", flat=True))
    rows = Delivery.objects.filter(message_id__in=messages).order_by("message_id", "device_id")
    if wanted:
        rows = rows.filter(contact_id=contact.pk) if contact else rows.none()
    if outcome.upper() in Outcome.__members__:
        rows = rows.filter(status=Outcome[outcome.upper()])
    if reason:
        rows = rows.filter(reason=number_of(reason) or 0)
    listed = list(rows.filter(_after(request.GET.get("after", "")))[: PER_PAGE + 1])
    more = len(listed) > PER_PAGE
    listed = listed[:PER_PAGE]
    devices = Device.objects.in_bulk({one.device_id for one in listed})
    contacts = Contact.objects.in_bulk({one.contact_id for one in listed if one.contact_id})
    return admin.page(
        request,
        "campaigns/deliveries.html",
        title=f"Deliveries of {campaign.name}",
        obj=campaign,
        campaign=campaign,
        wanted=wanted,
        unknown=bool(wanted) and contact is None,
        outcome=outcome,
        reason=reason,
        reason_sentence=BY_CODE.get(reason, ""),
        outcomes=[one.name.lower() for one in Outcome if one <= Outcome.SKIPPED],
        lines=[line | {"contact": contacts.get(line["delivery"].contact_id)} for line in with_ticks(listed, devices)],
        next=f"{listed[-1].message_id}.{listed[-1].device_id}" if more else None,
    )


def _after(place: str) -> Q:
    """What comes after a line, named as message and device; all where it names none."""
    message_id, _, device_id = place.partition(".")
    if not (message_id.isdigit() and device_id.isdigit() and max(len(message_id), len(device_id)) < 19):
        return Q()
    return Q(message_id__gt=int(message_id)) | Q(message_id=int(message_id), device_id__gt=int(device_id))
