"""Push services: is the road clear? A section per push service, a line per key: now, why, and the last two weeks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from campaigns import road_history
from campaigns.admin import road_words
from campaigns.admin.answers import answers_of_services
from campaigns.models import Batch
from campaigns.outlook import HELD, Course, course_of, roads_now
from campaigns.pacing import Road
from campaigns.road_history import KINDS, MINUTE, SPANS, TROUBLES, Figures, RoadKey, Span
from pushplatform.sites.access import Right, choose_site, current_site, is_superuser, may, sites_of
from pushplatform.sites.models import Site, VapidKey
from subscribers.admin.words import service_name

RECENT: Final = timedelta(minutes=5)
"""What errors and latencies of the page's lines are of."""

MOST: Final = 60
"""Roads on one page, the troubled ones first; only who looks at many sites at once comes near it."""

_BAD: Final = ("unavailable", "refused", "no_answer", "unsent")
_WORST: Final = list(reversed(Course))


@dataclass(frozen=True, slots=True)
class _Seen:
    """The roads that the viewer asks for, with everything that their lines need."""

    roads: Sequence[RoadKey]
    keys: dict[int, VapidKey]
    known: dict[RoadKey, Road]
    left_out: int


def show(admin: Any, request: HttpRequest) -> HttpResponse:
    """The page; with `_site` in its address it is about that Site, and stays so."""
    choose_site(request)
    sites, now = _sites(request), timezone.now()
    seen = _seen(sites, now)
    _, strips = road_history.series(seen.roads, SPANS["day"], now)
    answers = answers_of_services(sites, now)
    lines = {line["id"]: line for line in _lines(seen, now)}
    sections: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for road in seen.roads:
        colours = _colours(strips[road], course_of(seen.known.get(road)))
        sections[road.service].append(
            lines[_id(road)]
            | {
                "strip": _strip(colours),
                "strip_said": _strip_said(colours),
                "service": road.service,
                "vapid_key": road.vapid_key_id,
                "may_resume": may(request.user, Right.COMPOSE, seen.keys[road.vapid_key_id].site_id),
            }
        )
    several = len(sites_of(request.user)[:2]) > 1
    return admin.page(
        request,
        "campaigns/push_services.html",
        title="Push services",
        site=current_site(request),
        sections=[
            {"service": service, "name": service_name(service), "lines": rows, "answers": answers.get(service, [])}
            for service, rows in sorted(sections.items())
        ],
        left_out=seen.left_out,
        several=several,
        every_site=_every_site(request),
        spans=list(SPANS.values()),
        kinds=[(kind, road_words.KIND_WORDS[kind]) for kind in KINDS],
        as_of=f"{timezone.localtime(now):%H:%M:%S}",
    )


def show_now(admin: Any, request: HttpRequest) -> JsonResponse:
    """The lines of the moment, for the page that stands open."""
    sites, now = _sites(request), timezone.now()
    lines = _lines(_seen(sites, now), now)
    return JsonResponse({"lines": lines, "now": now.timestamp(), "as_of": f"{timezone.localtime(now):%H:%M:%S}"})


def show_history(admin: Any, request: HttpRequest) -> JsonResponse:
    """One road over a span of SPANS: `road` is its id on the page."""
    span = SPANS.get(request.GET.get("span", ""))
    service, _, key_id = request.GET.get("road", "").partition("-")
    if span is None or not all(one.isdecimal() and len(one) < 19 for one in (service, key_id)) or len(service) > 4:
        raise Http404
    key = VapidKey.objects.filter(pk=int(key_id)).only("pk", "site_id").first()
    if key is None or not may(request.user, Right.SEE, key.site_id):
        raise Http404
    road = RoadKey(int(service), key.pk)
    now = timezone.now()
    moments, found = road_history.series([road], span, now)
    points = [_point(moment, one, span) for moment, one in zip(moments, found[road], strict=True)]
    begun = (now - moments[-1]) / MINUTE
    return JsonResponse({"minutes": span.step // MINUTE, "minutes_of_last": begun, "points": points})


# --- which roads
def _sites(request: HttpRequest) -> list[Site]:
    """The current Site, or all of the user's; PermissionDenied for who has none, a superuser then sees none."""
    site = current_site(request)
    if site is None:
        if is_superuser(request.user):
            return []
        raise PermissionDenied
    return list(sites_of(request.user)) if _every_site(request) else [site]


def _every_site(request: HttpRequest) -> bool:
    return request.GET.get("sites") == "all"


def _seen(sites: Sequence[Site], now: datetime) -> _Seen:
    found = VapidKey.objects.filter(site__in=sites).select_related("site")
    keys = {key.pk: key for key in found.only("state", "site__name")}
    known = roads_now(list(keys), now)
    roads = road_history.roads_of(list(keys), now) if keys else []
    worst = sorted(roads, key=lambda road: (_WORST.index(course_of(known.get(road))), road))
    kept = sorted(worst[:MOST], key=lambda road: (road.service, str(keys[road.vapid_key_id].site), -road.vapid_key_id))
    return _Seen(kept, keys, known, len(worst) - len(kept))


# --- how each is now
def _lines(seen: _Seen, now: datetime) -> list[dict[str, Any]]:
    """A road's line: `cells` are texts by name, `minutes` what was answered in the minutes of the moment."""
    this_minute = now.replace(second=0, microsecond=0)
    recent = road_history.figures(seen.roads, this_minute - RECENT + MINUTE, this_minute + MINUTE)
    moments, by_minute = road_history.series(seen.roads, Span("", "", 3 * MINUTE, MINUTE), now)
    waiting = _waiting(seen.roads)
    lines = []
    for road in seen.roads:
        key, known = seen.keys[road.vapid_key_id], seen.known.get(road)
        course = course_of(known)
        mark, colour = road_words.MARKS[course]
        figures = recent.get(road)
        lines.append(
            {
                "id": _id(road),
                "course": course,
                "mark": mark,
                "colour": colour,
                "key": f"Key {key.pk}",
                "key_state": key.state,
                "site": key.site.name,
                "cells": _cells(figures, known, waiting.get(road, 0), by_minute[road], now)
                | {"said": road_words.sentence(known, now)},
                "troubles": _troubles(figures),
                "minutes": [
                    [moment.timestamp(), one.asked if one else 0]
                    for moment, one in zip(moments, by_minute[road], strict=True)
                ],
            }
        )
    return lines


def _cells(
    figures: Figures | None,
    known: Road | None,
    waiting: int,
    minutes: Sequence[Figures | None],
    now: datetime,
) -> dict[str, str]:
    asked, bad = (figures.asked, sum(figures.counts[kind] for kind in TROUBLES)) if figures else (0, 0)
    window = known.window if known else None
    return {
        "rate": "0/s" if course_of(known) in HELD else _rate(minutes, now),
        "p50": road_words.quick(figures.quantile(0.5) if figures else None),
        "p99": road_words.quick(figures.quantile(0.99) if figures else None),
        "errors": f"{100 * bad / max(asked, bad):.1f} %" if bad else ("0 %" if asked else "–"),
        "window": f"{window:,}" if window else "no limit",
        "waiting": f"{waiting:,}",
    }


def _rate(minutes: Sequence[Figures | None], now: datetime) -> str:
    """Of the minute under way and those before it, from the first answer in them on."""
    found = [one for one in minutes if one and one.first_at is not None]
    asked = sum(one.asked for one in found)
    if not asked:
        return "–"
    begun = min(one.first_at for one in found if one.first_at is not None)
    return road_words.brief_pace(asked / max((now - begun).total_seconds(), 1.0))


def _troubles(figures: Figures | None) -> list[dict[str, str]]:
    if figures is None:
        return []
    return [
        {
            "word": road_words.KIND_WORDS[kind],
            "meaning": road_words.KIND_MEANINGS[kind],
            "number": f"{figures.counts[kind]:,}",
        }
        for kind in TROUBLES
        if figures.counts[kind]
    ]


def _waiting(roads: Sequence[RoadKey]) -> dict[RoadKey, int]:
    """Devices in Batches that are to be sent; those of a Batch that is worked at count until it is done."""
    rows = (
        Batch.objects.exclude(state=Batch.State.DONE)
        .filter(vapid_key_id__in={road.vapid_key_id for road in roads}, message__finished_at=None)
        .values_list("service", "vapid_key_id")
        .annotate(total=Sum("n"))
    )
    return {RoadKey(service, key): total for service, key, total in rows}


# --- how it was
def _colours(steps: Sequence[Figures | None], course: Course) -> list[str]:
    """Of each step; a rest has the colour of the trouble it began with. The pause of a key has no end that is known
    and so no minutes: it is filled in, as is what is left of any other."""
    colours: list[str] = []
    for one in steps:
        only_rests = one is not None and one.first_at is None
        before = colours[-1] if colours and colours[-1] in ("look", "fail") else "look"
        colours.append(before if only_rests else _colour(one))
    if course in HELD:
        recorded = len("".join(colour[:1] or " " for colour in colours).rstrip())
        colours[recorded:] = [road_words.MARKS[course][1]] * (len(colours) - recorded)
    return colours


def _strip(colours: Sequence[str]) -> list[dict[str, Any]]:
    """The day as stretches of one colour: `at` and `length` in quarters of an hour."""
    stretches: list[dict[str, Any]] = []
    for place, colour in enumerate(colours):
        if stretches and stretches[-1]["colour"] == colour:
            stretches[-1]["length"] += 1
        else:
            stretches.append({"colour": colour, "at": place, "length": 1})
    return [stretch for stretch in stretches if stretch["colour"]]


def _colour(one: Figures | None) -> str:
    """Red: a tenth failed; amber: a rate held, or one in a hundred was not taken; green: clear; none: nothing."""
    if one is None:
        return ""
    bad, everything = sum(one.counts[kind] for kind in _BAD), max(sum(one.counts.values()), 1)
    if bad / everything >= 0.1:
        return "fail"
    is_slowed = one.rate is not None or one.rested > 0 or (bad + one.counts["throttled"]) / everything >= 0.01
    return "look" if is_slowed else "reach"


def _strip_said(colours: Sequence[str]) -> str:
    if not any(colours):
        return "Nothing was sent in the last 24 hours."
    words = {"reach": "clear", "look": "slowed", "fail": "in trouble"}
    said = ", ".join(f"{colours.count(one)} {word}" for one, word in words.items() if one in colours)
    return f"The last 24 hours by quarters of an hour: {said}."


def _point(moment: datetime, one: Figures | None, span: Span) -> dict[str, Any]:
    local = timezone.localtime(moment)
    word = f"{local.day} {local:%b %H:%M}" if span.step > timedelta(minutes=30) else f"{local:%H:%M}"
    if one is None:
        return {"at": word, "counts": None}
    return {
        "at": word,
        "counts": one.counts,
        "rested": round(one.rested),
        "p50": _milliseconds(one.quantile(0.5)),
        "p99": _milliseconds(one.quantile(0.99)),
        "window": one.window,
        "allowed": None if one.rate is None else round(60 * one.rate, 1),
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1 if seconds < 0.01 else None)


def _id(road: RoadKey) -> str:
    return f"{road.service}-{road.vapid_key_id}"
