"""What moves a campaign: launch, schedule, take back, pause, resume, cancel, use again. POST only; each leaves a line
in the history."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from campaigns import control, launch, tasks
from campaigns.admin import launch_dialog
from campaigns.admin.compose_form import local_moment
from campaigns.admin.compose_views import edit
from campaigns.launch import LaunchRefused
from campaigns.models import Campaign, CampaignSegment
from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import when

CHANGED = "It was changed after you looked at it. Look again, then launch."


def page_of(campaign: Campaign) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))


def launch_now(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Launches what the dialog showed; of many clicks one launches, the others find it done."""
    campaign = admin.object_for(request, object_id, Right.COMPOSE)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if campaign.status != Campaign.Status.DRAFT:
        return _was_done(request, campaign)
    if not launch_dialog.is_what_was_shown(campaign, request.POST.get("token", "")):
        return edit(admin, request, campaign.site, campaign, dialog="launch", errors=[("status", "changed", CHANGED)])
    try:
        with transaction.atomic():
            Campaign.objects.filter(pk=campaign.pk, status=Campaign.Status.DRAFT).update(send_at=None)
            message = launch.launch(campaign.pk, request.user.pk, timezone.now())
    except LaunchRefused as refused:
        campaign.refresh_from_db()
        if campaign.status != Campaign.Status.DRAFT:
            return _was_done(request, campaign)
        return edit(admin, request, campaign.site, campaign, dialog="launch", errors=refused.errors)
    if message is not None:
        tasks.freeze_message.poke(message.pk)
    count = request.POST.get("count", "")
    admin.log_change(request, campaign, f"Launched to {count} devices" if count.isdigit() else "Launched")
    return page_of(campaign)


def schedule(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Launches it later; the sweep does when it is due."""
    campaign = admin.object_for(request, object_id, Right.COMPOSE)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if campaign.status != Campaign.Status.DRAFT:
        return _was_done(request, campaign)
    given = request.POST.get("send_at", "")
    errors: list[tuple[str, str, str]] = []
    if not launch_dialog.is_what_was_shown(campaign, request.POST.get("token", "")):
        errors = [("status", "changed", CHANGED)]
    try:
        moment = local_moment(given, required=True)
        if not errors:
            with transaction.atomic():
                Campaign.objects.filter(pk=campaign.pk, status=Campaign.Status.DRAFT).update(send_at=moment)
                launch.launch(campaign.pk, request.user.pk, timezone.now())
    except ValidationError as error:
        errors.append(("send_at", "invalid_value", error.messages[0]))
    except LaunchRefused as refused:
        errors += refused.errors
    if errors:
        campaign.refresh_from_db()
        return edit(admin, request, campaign.site, campaign, dialog="schedule", errors=errors, send_at=given)
    admin.log_change(request, campaign, f"Scheduled for {when(moment)}")
    messages.success(request, f"It will be launched {when(moment)}.")
    return page_of(campaign)


def take_back(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """A scheduled campaign becomes a draft again."""
    campaign = admin.object_for(request, object_id, Right.COMPOSE)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        launch.unschedule(campaign.pk)
    except LaunchRefused as refused:
        messages.error(request, " ".join(detail for _, _, detail in refused.errors))
    else:
        admin.log_change(request, campaign, "Taken back before it was launched")
    return page_of(campaign)


ACTS = {
    "pause": (control.pause_campaign, "Paused", "Paused. What is on its way still arrives."),
    "resume": (control.resume_campaign, "Resumed", "It goes on."),
    "cancel": (control.cancel_campaign, "Cancelled what was left", "Cancelled. What had gone stays sent."),
}


def steer(admin: Any, request: HttpRequest, object_id: str, act: str) -> HttpResponse:
    """Pauses, resumes or cancels what is under way of a campaign."""
    campaign = admin.object_for(request, object_id, Right.COMPOSE)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    do, line, said = ACTS[act]
    try:
        to_poke = do(campaign.pk, timezone.now())
    except control.NotPossible as error:
        messages.error(request, f"Not possible. {error}")
    else:
        tasks.poke_message.poke(*to_poke or ())
        admin.log_change(request, campaign, line)
        messages.success(request, said)
    return page_of(campaign)


def use_again(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """A new draft with the same audience, message and delivery."""
    campaign = admin.object_for(request, object_id, Right.COMPOSE)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    options = {name: value for name, value in campaign.options.items() if name != "expires_at"}
    with transaction.atomic():
        copy = Campaign.objects.create(
            site=campaign.site,
            name=f"{campaign.name[:90]} (copy)",
            purpose=campaign.purpose,
            content=campaign.content,
            options=options,
            created_by=request.user,
        )
        CampaignSegment.objects.bulk_create(
            CampaignSegment(campaign=copy, segment_id=row.segment_id, excluded=row.excluded)
            for row in campaign.campaign_segments.all()
        )
    admin.log_addition(request, copy, f"Copied from {campaign.name}")
    return page_of(copy)


def _was_done(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    say_it_was_done(request, campaign)
    return page_of(campaign)


def say_it_was_done(request: HttpRequest, campaign: Campaign) -> None:
    messages.info(request, f"It is {campaign.get_status_display().lower()} already: nothing was done twice.")
