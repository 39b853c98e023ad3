"""What of a Site needs somebody to look: each with what to do about it."""

from datetime import timedelta
from typing import NamedTuple

from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone

from campaigns.admin import road_words
from campaigns.models import Campaign
from campaigns.outlook import Course, course_of, roads_now
from pushplatform.sites.admin.scope import when
from pushplatform.sites.models import ApiKey, Site, VapidKey
from subscribers import journal
from subscribers.models import Device, Purpose

LATE = timedelta(minutes=2)
SOON = timedelta(days=14)


class Notice(NamedTuple):
    colour: str
    text: str
    address: str | None = None
    act: str | None = None


def attention_of(site: Site, *, administers: bool) -> list[Notice]:
    """The most pressing first; empty when all is well. `administers`: also what only administrators can mend."""
    found = [*_refused(site), *_late(site), *_road(site), *_purposes(site)]
    return [*_keys(site), *_journal(), *found, *_expiring(site)] if administers else found


def _keys(site: Site) -> list[Notice]:
    address = reverse("admin:sites_vapidkey_changelist")
    keys = VapidKey.objects.filter(site=site).exclude(state=VapidKey.State.RETIRED).defer("private_key")
    if not any(key.state == VapidKey.State.CURRENT for key in keys):
        add = f"{reverse('admin:sites_vapidkey_add')}?_site={site.pk}"
        return [Notice("fail", "Browsers cannot subscribe: there is no current VAPID key.", add, "Generate one")]
    active = Count("devices", filter=Q(devices__status=Device.Status.ACTIVE))
    draining = keys.filter(state=VapidKey.State.DRAINING).annotate(active=active)
    return [
        Notice("look", f"{key} still has {key.active:,} devices.", address, "See keys")
        for key in draining
        if key.active
    ]


def _journal() -> list[Notice]:
    if not journal.is_stuck(timezone.now()):
        return []
    text = "The privacy journal cannot be written; a restored backup would not know what people withdrew. See the log."
    return [Notice("fail", text)]


def _road(site: Site) -> list[Notice]:
    now, address = timezone.now(), reverse("admin:campaigns_campaign_push_services")
    found = sorted(roads_now(site.vapid_keys.values("pk"), now).items(), key=lambda one: one[0])
    return [
        Notice("look", road_words.notice(key.service, road, now), f"{address}?_site={site.pk}", "See the road")
        for key, road in found
        if course_of(road) not in (Course.OPEN, Course.REFUSED)  # what is refused is told with a button of its own
    ]


def _late(site: Site) -> list[Notice]:
    late = Campaign.objects.filter(
        site=site, status=Campaign.Status.SCHEDULED, send_at__lt=timezone.now() - LATE
    ).order_by("send_at")[:3]
    return [
        Notice(
            "fail",
            f"“{one.name}” was to go {when(one.send_at)} and has not. Is a worker running?",
            reverse("admin:campaigns_campaign_change", args=[one.pk]),
            "Look",
        )
        for one in late
    ]


def _refused(site: Site) -> list[Notice]:
    drafts = Campaign.objects.filter(site=site, status=Campaign.Status.DRAFT, audience__has_key="refused")
    return [
        Notice(
            "fail",
            f"“{one.name}” could not be launched at its time and is a draft again.",
            reverse("admin:campaigns_campaign_change", args=[one.pk]),
            "See why",
        )
        for one in drafts.order_by("-pk")[:3]
    ]


def _purposes(site: Site) -> list[Notice]:
    own = Purpose.objects.filter(site=site, archived=False, bit__gt=Purpose.MEASUREMENT)
    if own.exists():
        return []
    address = f"{reverse('admin:subscribers_purpose_add')}?_site={site.pk}"
    return [Notice("look", "There is no purpose to send for: people have nothing to say yes to.", address, "Add one")]


def _expiring(site: Site) -> list[Notice]:
    soon = ApiKey.objects.filter(
        client__site=site, revoked_at=None, expires_at__gt=timezone.now(), expires_at__lt=timezone.now() + SOON
    ).select_related("client")
    return [
        Notice(
            "look",
            f"A key of {key.client} stops working {when(key.expires_at)}.",
            reverse("admin:sites_apiclient_change", args=[key.client_id]),
            "Make a new one",
        )
        for key in soon
    ]
