"""The home of a Site: is all well, and what came of it?"""

from datetime import date, timedelta
from statistics import median
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone

from campaigns.admin import figures
from campaigns.admin.attention import attention_of
from campaigns.admin.refused_keys import refused_keys
from campaigns.models import Campaign, SiteDay
from pushplatform.sites.access import Right, choose_site, current_site, may
from pushplatform.sites.models import Site
from subscribers.models import Device

DAYS = 90
LAST = 5
COMPARED = 20
"""Campaigns whose median the last ones are compared with."""
REACH_SECONDS = 60
UNDER_WAY = (Campaign.Status.SENDING, Campaign.Status.PAUSED, Campaign.Status.SCHEDULED)


def context(request: HttpRequest, frame: dict[str, Any]) -> dict[str, Any]:
    """What the home page shows of the current Site; without one, how to begin."""
    if "_site" in request.GET:
        choose_site(request)
    site = current_site(request)
    frame |= {"title": "Home", "site": site}
    if site is None:
        return frame
    past = list(Campaign.objects.filter(site=site, status=Campaign.Status.SENT).order_by("-launched_at")[:COMPARED])
    figures.attach_totals(past)
    return frame | {
        "reach": reach_of(site),
        "month": _month(site),
        "under_way": _under_way(site),
        "last": [_line(one) for one in past[:LAST]],
        "usual": _usual(past),
        "attention": attention_of(site, administers=may(request.user, Right.ADMINISTER, site)),
        "refused_keys": refused_keys(site),
        "may_resume": may(request.user, Right.COMPOSE, site),
        "may_write": may(request.user, Right.COMPOSE, site),
        "drafts": list(Campaign.objects.filter(site=site, status=Campaign.Status.DRAFT).order_by("-pk")[:LAST]),
    }


def reach_of(site: Site) -> dict[str, Any]:
    """Who can be reached, and active devices by the day they came; not older than REACH_SECONDS."""
    key = f"reach:{connection.settings_dict['NAME']}:{site.pk}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = _count_reach(site)
        cache.set(key, found, REACH_SECONDS)
    return found


def _count_reach(site: Site) -> dict[str, Any]:
    today = timezone.localdate()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select count(*), count(distinct coalesce(contact_id, -id)) from device
                where site_id = %s and status = {Device.Status.ACTIVE:d}""",
            [site.pk],
        )
        devices, people = cursor.fetchone()
        cursor.execute(
            f"""select (subscribed_at at time zone %s)::date, count(*) from device
                where site_id = %s and status = {Device.Status.ACTIVE:d} and subscribed_at > %s group by 1""",
            [site.time_zone, site.pk, timezone.now() - timedelta(days=DAYS + 1)],
        )
        by_day: dict[date, int] = dict(cursor.fetchall())
    days = [today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    reached, line = devices, []
    for day in reversed(days):
        line.append({"at": f"{day.day} {day:%b}", "number": reached})
        reached -= by_day.get(day, 0)
    return {"devices": devices, "people": people, "today": by_day.get(today, 0), "line": line[::-1]}


def _month(site: Site) -> dict[str, Any]:
    """The last 30 days, campaigns and API together."""
    begin = timezone.now().date() - timedelta(days=30)
    sums = SiteDay.objects.filter(site_id=site.pk, day__gt=begin).aggregate(
        **{name: Sum(name) for name in ("accepted", "shown", "clicked", "gone")}
    )
    total = {name: int(number or 0) for name, number in sums.items()}
    return total | {
        "shown_share": figures.percent(total["shown"], total["accepted"]),
        "clicked_share": figures.percent(total["clicked"], total["shown"]),
    }


def _under_way(site: Site) -> list[Campaign]:
    found = list(Campaign.objects.filter(site=site, status__in=UNDER_WAY).order_by("-pk")[:10])
    figures.attach_totals(found)
    for campaign in found:
        campaign.targeted = campaign.messages.aggregate(sum=Sum("targeted"))["sum"] or 0
        campaign.done = sum(campaign.totals[name] for name in figures.ENDED)
        campaign.width = round(100 * campaign.done / campaign.targeted, 1) if campaign.targeted else 0
    return found


def _line(campaign: Campaign) -> dict[str, Any]:
    totals = campaign.totals
    return {
        "campaign": campaign,
        "totals": totals,
        "shown_share": figures.percent(totals["shown"], totals["accepted"]),
        "clicked_share": figures.percent(totals["clicked"], totals["shown"]),
    }


def _usual(past: list[Campaign]) -> dict[str, str | None] | None:
    """The Site's median rates; None while there is nothing to compare."""
    shown = [one.totals["shown"] / one.totals["accepted"] for one in past if one.totals["accepted"]]
    clicked = [one.totals["clicked"] / one.totals["shown"] for one in past if one.totals["shown"]]
    if len(shown) < 3:
        return None
    return {
        "shown_share": f"{100 * median(shown):.1f} %",
        "clicked_share": f"{100 * median(clicked):.1f} %" if clicked else None,
        "number": str(len(shown)),
    }
