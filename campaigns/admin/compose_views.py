"""The pages of a draft: the five steps on one page, and what its preview and its count ask for while one types."""

from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone

from campaigns import audience, launch
from campaigns.admin import device_words, launch_dialog, preview
from campaigns.admin.compose_form import ComposeForm
from campaigns.admin.field_errors import put_beside_fields, sorted_by_field
from campaigns.audience import Waterfall
from campaigns.models import Campaign
from pushplatform.sites.access import Right, may
from pushplatform.sites.admin.scope import site_for
from pushplatform.sites.models import Site
from subscribers import segments
from subscribers.models import Purpose, Segment

PLATFORMS = (("windows", "Windows"), ("android", "Android"), ("macos", "macOS"), ("ios", "iOS"), ("firefox", "Firefox"))


def edit(
    admin: Any,
    request: HttpRequest,
    site: Site,
    campaign: Campaign | None,
    *,
    dialog: str = "",
    errors: list[tuple[str, str, str]] | None = None,
    send_at: str = "",
) -> HttpResponse:
    """Shows a draft or saves it.

    `dialog`: the one that opens, `launch` or `schedule`; `errors`: why a launch was refused; `send_at`: as typed.
    """
    may_write = may(request.user, Right.COMPOSE, site)
    if request.method == "POST" and not may_write:
        raise PermissionDenied
    posted = request.method == "POST" and not dialog
    form = ComposeForm(request.POST if posted else None, site=site, campaign=campaign)
    if posted and form.is_valid():
        saved = form.save(request.user)
        if form.made_segment is not None:
            admin.log_addition(request, form.made_segment, [{"added": {}}])
        if saved is not None:
            return _after_save(admin, request, saved, new=campaign is None)
        errors = [("status", "not_draft", "Somebody launched it meanwhile: nothing was changed.")]
    if campaign is not None and not posted and errors is None and (dialog or campaign.content):
        campaign.send_at = None  # what it was scheduled for before has no say
        errors = launch.check(campaign, timezone.now())
    schedule_errors = [detail for field, _, detail in errors or () if field == "send_at"]
    left = put_beside_fields(form, [error for error in errors or () if error[0] not in ("send_at", "status")])
    left += [detail for field, _, detail in errors or () if field == "status"]
    opens = dialog if campaign is not None and (schedule_errors or not errors) else ""
    return admin.page(
        request,
        "campaigns/compose.html",
        title=campaign.name if campaign else "New campaign",
        obj=campaign,
        site=site,
        campaign=campaign,
        form=form,
        translations=_translation_rows(form),
        may_write=may_write,
        problems=left,
        refused=_refused(campaign),
        found_wanting=bool(errors) or bool(form.errors),
        platforms=PLATFORMS,
        previews=_addresses(site),
        dialog=opens,
        dialog_data=launch_dialog.data_of(campaign) if opens and campaign else None,
        schedule_errors=schedule_errors,
        send_at=send_at,
        purpose_titles={purpose.pk: purpose.title for purpose in form.fields["purpose"].queryset},
    )


def _after_save(admin: Any, request: HttpRequest, campaign: Campaign, *, new: bool) -> HttpResponse:
    if new:
        admin.log_addition(request, campaign, [{"added": {}}])
    else:
        admin.log_change(request, campaign, "Changed the draft")
    address = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    for act in ("launch", "schedule"):
        if f"_{act}" in request.POST:
            return HttpResponseRedirect(f"{address}?{act}=1")
    return HttpResponseRedirect(f"{address}?saved=1")


def _refused(campaign: Campaign | None) -> dict[str, Any] | None:
    """Why a scheduled campaign became a draft again when its time came, and when that was."""
    kept = campaign.audience if campaign else {}
    if not kept.get("refused"):
        return None
    return {"why": [one["detail"] for one in kept["refused"]], "at": datetime.fromisoformat(kept["refused_at"])}


def _translation_rows(form: ComposeForm) -> list[dict[str, Any]]:
    return [
        row | {"errors": [text for texts in form.translation_errors.get(number, {}).values() for text in texts]}
        for number, row in enumerate(form.translations)
    ]


def _addresses(site: Site) -> dict[str, str]:
    """Where the page asks for the preview and the count; each names its Site."""
    return {name: f"{reverse(f'admin:campaigns_campaign_{name}')}?_site={site.pk}" for name in ("preview", "count")}


def show_preview(admin: Any, request: HttpRequest) -> JsonResponse:
    """The notification as typed: POST of the form, with `as` (a CRM id), `step` and `language`."""
    site = _posted_to(request)
    viewer = preview.find_viewer(site, request.POST.get("as", "").strip(), request.POST.get("step", ""))
    if viewer is None:
        return JsonResponse({"error": f"No contact has the CRM id {request.POST['as'].strip()}."}, status=422)
    form = ComposeForm(request.POST, site=site)
    form.is_valid()
    form.cleaned_data = {name: request.POST.get(name, "") for name in form.fields}
    drawn = preview.draw(form.content(), site, viewer, request.POST.get("language", ""))
    problems = sorted_by_field(form, [(f"content{p.replace('/', '.')}", c, d) for p, c, d in drawn.pop("problems")])
    warnings = sorted_by_field(form, [(f"content{p.replace('/', '.')}", "", d) for p, d in drawn.pop("warnings")])
    return JsonResponse(drawn | {"as": preview.seen_as(viewer), "problems": problems, "warnings": warnings})


def show_count(admin: Any, request: HttpRequest) -> JsonResponse:
    """How many a draft would reach: POST of the form."""
    site = _posted_to(request)
    form = ComposeForm(request.POST, site=site)
    form.is_valid()
    chosen, excluded = (form.cleaned_data.get(name, []) for name in ("segments", "excluded"))
    purpose = form.cleaned_data.get("purpose")
    if not chosen or purpose is None:
        return JsonResponse({"missing": "Choose a segment and a purpose, and you see how many that reaches."})
    try:
        rule = device_words.rule_of(form.cleaned_data.get("devices") or "all")
        figures = count_of(site, chosen, excluded, purpose, rule)
    except (segments.DefinitionError, audience.UnknownSegment) as error:
        return JsonResponse({"error": f"A segment cannot be worked out: {error}"}, status=422)
    names = dict(form.fields["segments"].choices)
    return JsonResponse(
        figures._asdict()
        | {
            "purpose": purpose.title,
            "segments": [names[value] for value in chosen],
            "excluded": [names[value] for value in excluded],
        }
    )


def count_of(site: Site, chosen: list[str], excluded: list[str], purpose: Purpose, devices: Any) -> Waterfall:
    """The waterfall of a draft that may not be saved yet, where `everyone` may be no segment yet."""
    definitions = dict(Segment.objects.filter(site=site, archived=False).values_list("pk", "definition"))
    definitions_of = lambda values: tuple(  # noqa: E731
        definitions[int(value)] if value.isdigit() else {"all": []} for value in values
    )
    who = audience.Audience(site.pk, purpose.bit, definitions_of(chosen), definitions_of(excluded), devices)
    return audience.count_audience(who)


def _posted_to(request: HttpRequest) -> Site:
    if request.method != "POST":
        raise Http404
    return site_for(request, Right.SEE)
