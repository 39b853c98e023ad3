"""Keys that a push service refuses: what the pages say of them, and the button that ends the pause."""

from typing import Any

from django.contrib import messages
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from campaigns import refusals
from campaigns.models import Batch, Campaign, ServiceState
from pushplatform.sites.access import Right, may
from pushplatform.sites.models import Site, VapidKey
from subscribers.admin.words import service_name


def refused_keys(site: Site) -> list[dict[str, Any]]:
    """The Site's keys that are paused on a push service because it refuses them, and how many devices wait."""
    states = ServiceState.objects.filter(
        vapid_key_id__in=site.vapid_keys.values("pk"), reason=refusals.REASON, paused_until__isnull=False
    )
    return [
        {"state": state, "service": service_name(state.service), "waiting": _waiting(state)}
        for state in states.order_by("service", "vapid_key_id")
    ]


def _waiting(state: ServiceState) -> int:
    ready = Batch.objects.filter(
        service=state.service, vapid_key_id=state.vapid_key_id, state=Batch.State.READY, message__finished_at=None
    )
    return ready.aggregate(total=Sum("n"))["total"] or 0


def resume(admin: Any, request: HttpRequest) -> HttpResponse:
    """Ends the pause of a key on a push service, for who may steer campaigns of its Site."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    given = [request.POST.get(name, "") for name in ("service", "vapid_key")]
    if not all(one.isdecimal() and len(one) < 19 for one in given):
        raise Http404
    service, key_id = map(int, given)
    key = VapidKey.objects.filter(pk=key_id).defer("private_key").first()
    if key is None or service > 32767 or not may(request.user, Right.COMPOSE, key.site_id):
        raise Http404
    if refusals.resume(service, key_id):
        messages.success(request, f"It goes on to {service_name(service)} within seconds.")
    else:
        messages.info(request, "It was not paused any more: nothing was done.")
    campaign = request.POST.get("campaign", "")
    if campaign.isdecimal() and len(campaign) < 19:
        found = Campaign.objects.filter(pk=int(campaign), site_id=key.site_id).first()
        if found:
            return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[found.pk]))
    back = "campaigns_campaign_push_services" if request.POST.get("back") == "push_services" else "index"
    return HttpResponseRedirect(reverse(f"admin:{back}"))
