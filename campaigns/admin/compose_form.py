"""The form of a campaign's draft: fields as a marketer thinks of them, from and to content and options as JSON."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from campaigns.admin import device_words
from campaigns.models import Campaign, CampaignSegment
from campaigns.options import MOST_PER_MINUTE
from pushplatform.sites.models import Site
from subscribers.models import Purpose, Segment

EVERYONE = "everyone"
"""Stands among the segments' numbers for a segment of everyone that is made when it is first chosen."""

EVERYONE_DEFINITION: dict[str, Any] = {"all": []}
BUTTONS = (1, 2)
UNITS = {"minutes": 60, "hours": 3600, "days": 86_400}
TTL, UNTIL = "ttl", "until"
URGENCY_WORDS = {
    "very-low": "Very low: when the device charges and has Wi-Fi",
    "low": "Low: when it is convenient for the device",
    "normal": "Normal",
    "high": "High: wakes the device, for what cannot wait",
}
TRANSLATED = ("title", "body", "url")


def _text(placeholder: str = "", **attrs: Any) -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget({"placeholder": placeholder, "autocomplete": "off", **attrs})


class ComposeForm(forms.Form):
    """`save` writes a draft. What of it cannot be sent is no error of this form: `campaigns.launch.check` says it."""

    name = forms.CharField(max_length=100, widget=_text("Autumn offer"), help_text="For you; nobody else sees it.")
    segments = forms.MultipleChoiceField(label="Who gets it", required=False, widget=forms.CheckboxSelectMultiple)
    excluded = forms.MultipleChoiceField(label="But not", required=False, widget=forms.CheckboxSelectMultiple)
    purpose = forms.ModelChoiceField(
        Purpose.objects.none(),
        empty_label="Choose what they agreed to",
        widget=UnfoldAdminSelectWidget,
        help_text="Only devices whose person said yes to it get the message.",
    )
    title = forms.CharField(required=False, max_length=4000, widget=_text("Hello {{ contact.first_name }}"))
    body = forms.CharField(label="Text", required=False, max_length=4000, widget=UnfoldAdminTextareaWidget({"rows": 3}))
    url = forms.CharField(
        label="Where a click leads", required=False, max_length=4000, widget=_text("https://shop.example/offer")
    )
    image = forms.CharField(
        label="Large picture",
        required=False,
        max_length=4000,
        widget=_text("https://…"),
        help_text="Shown by Chrome and Edge on Windows and Android.",
    )
    icon = forms.CharField(
        required=False, max_length=4000, widget=_text("https://…"), help_text="Empty: the site’s own."
    )
    button_1_title = forms.CharField(label="First button", required=False, max_length=4000, widget=_text("See it"))
    button_1_url = forms.CharField(label="leads to", required=False, max_length=4000, widget=_text("https://…"))
    button_2_title = forms.CharField(label="Second button", required=False, max_length=4000, widget=_text("Later"))
    button_2_url = forms.CharField(label="leads to", required=False, max_length=4000, widget=_text("https://…"))
    require_interaction = forms.BooleanField(
        label="Stay until it is clicked or closed",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="On computers. For what is worth interrupting for.",
    )
    devices = forms.ChoiceField(choices=device_words.choices(), initial="all", widget=UnfoldAdminSelectWidget)
    life = forms.ChoiceField(
        label="Keep trying", choices=[(TTL, "for"), (UNTIL, "until")], initial=TTL, widget=forms.RadioSelect
    )
    ttl_number = forms.IntegerField(
        label="How long", required=False, min_value=0, max_value=40_320, initial=24, widget=_text(type="number", min=0)
    )
    ttl_unit = forms.ChoiceField(
        label="Unit", choices=[(unit, unit) for unit in UNITS], initial="hours", widget=UnfoldAdminSelectWidget
    )
    expires_at = forms.CharField(label="Until when", required=False, widget=_text(type="datetime-local"))
    urgency = forms.ChoiceField(choices=list(URGENCY_WORDS.items()), initial="normal", widget=UnfoldAdminSelectWidget)
    collapse_key = forms.CharField(
        label="Replaces earlier messages named",
        required=False,
        max_length=255,
        widget=_text("for example: stock-alert"),
        help_text="A newer message of this name takes the place of one not yet read. Usually empty. "
        "Chrome keeps four waiting names per device; older ones are lost.",
    )
    per_minute = forms.IntegerField(
        label="Messages a minute, at most",
        required=False,
        min_value=1,
        max_value=MOST_PER_MINUTE,
        widget=_text("no limit", type="number", min=1),
        help_text="So that a shop or a call centre can keep up with who comes. Usually empty: as fast as push services "
        "take it.",
    )

    def __init__(self, *args: Any, site: Site, campaign: Campaign | None = None, **kwargs: Any):
        self.site, self.campaign = site, campaign
        kwargs.setdefault("initial", initial_of(campaign) if campaign else {"body": ""})
        super().__init__(*args, **kwargs)
        self.known = list(Segment.objects.filter(site=site, archived=False).order_by("name", "id"))
        choices = [(str(segment.pk), segment.name) for segment in self.known]
        has_everyone = any(segment.definition == EVERYONE_DEFINITION for segment in self.known)
        self.fields["segments"].choices = choices if has_everyone else [(EVERYONE, "Everyone"), *choices]
        self.fields["excluded"].choices = choices
        self.fields["devices"].choices = device_words.choices(self.data.get("devices") or self.initial.get("devices"))
        purposes = Purpose.objects.filter(site=site, archived=False, bit__gt=Purpose.MEASUREMENT).order_by("bit")
        self.fields["purpose"].queryset = purposes
        self.translations = _posted_translations(self.data) if self.is_bound else _saved_translations(campaign)
        self.made_segment: Segment | None = None
        self.translation_errors: dict[int, dict[str, list[str]]] = {}

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        both = set(given.get("segments", ())) & set(given.get("excluded", ()))
        if both:
            names = dict(self.fields["excluded"].choices)
            self.add_error("excluded", f"{names[min(both)]} is both wanted and left out. Choose one.")
        if given.get("life") == UNTIL:
            try:
                given["until"] = local_moment(given.get("expires_at", ""), required=True)
            except ValidationError as error:
                self.add_error("expires_at", error)
        elif given.get("ttl_number") is None and "ttl_number" not in self.errors:
            self.add_error("ttl_number", "Say for how long, or choose “until”.")
        seen: set[str] = set()
        for number, one in enumerate(self.translations):
            language = one["language"].strip()
            if not language:
                self.note_translation(number, "language", "Which language? Write it like pl or pt-BR.")
            elif language.lower() in seen:
                self.note_translation(number, "language", f"{language} stands here twice.")
            seen.add(language.lower())
        if self.translation_errors:
            raise ValidationError("Something is wrong with a translation below.")
        return given

    def note_translation(self, number: int, field: str, detail: str) -> None:
        self.translation_errors.setdefault(number, {}).setdefault(field, []).append(detail)

    # --- from the form to what is kept
    def content(self) -> dict[str, Any]:
        """Content as of api.md §1, empty members left out."""
        given = self.cleaned_data
        content = {name: given[name].strip() for name in ("title", "body", "url", "image", "icon") if given.get(name)}
        buttons = [_button(number, given) for number in BUTTONS]
        if actions := [button for button in buttons if button]:
            content["actions"] = _told_apart(actions)
        if given.get("require_interaction"):
            content["require_interaction"] = True
        translations = {
            one["language"].strip(): {name: one[name].strip() for name in TRANSLATED if one[name].strip()}
            for one in self.translations
        }
        if translations:
            content["translations"] = translations
        return _others(self.campaign, content)

    def options(self) -> dict[str, Any]:
        given = self.cleaned_data
        options: dict[str, Any] = {"devices": device_words.rule_of(given["devices"]), "urgency": given["urgency"]}
        if given["life"] == UNTIL:
            options["expires_at"] = given["until"].isoformat()
        else:
            options["ttl"] = given["ttl_number"] * UNITS[given["ttl_unit"]]
        if given.get("per_minute"):
            options["per_minute"] = given["per_minute"]
        if given["collapse_key"].strip():
            options["collapse_key"] = given["collapse_key"].strip()
        return options

    def chosen(self, field: str) -> list[int]:
        """Numbers of the chosen segments; EVERYONE is made a segment."""
        return [self._everyone() if value == EVERYONE else int(value) for value in self.cleaned_data[field]]

    def _everyone(self) -> int:
        segment = Segment.objects.filter(site=self.site, archived=False, definition=EVERYONE_DEFINITION).first()
        if segment is None:
            segment = Segment.objects.create(site=self.site, name="Everyone", definition=EVERYONE_DEFINITION)
            self.made_segment = segment
        return segment.pk

    @transaction.atomic
    def save(self, user: Any) -> Campaign | None:
        """The draft as it is kept now; None when it is no draft any more, and nothing changed."""
        campaign = self.campaign or Campaign(site=self.site, created_by=user)
        if campaign.pk and not self._still_draft(campaign):
            return None
        campaign.name, campaign.purpose = self.cleaned_data["name"], self.cleaned_data["purpose"]
        campaign.content, campaign.options = self.content(), self.options()
        if campaign.pk:
            campaign.audience = {}  # why it could not be launched at its time, if it could not
            campaign.save(update_fields=["name", "purpose", "content", "options", "audience"])
        else:
            campaign.save()
        campaign.campaign_segments.all().delete()
        rows = [(pk, False) for pk in self.chosen("segments")] + [(pk, True) for pk in self.chosen("excluded")]
        CampaignSegment.objects.bulk_create(
            CampaignSegment(campaign=campaign, segment_id=pk, excluded=excluded) for pk, excluded in rows
        )
        return campaign

    def _still_draft(self, campaign: Campaign) -> bool:
        locked = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
        return locked.status == Campaign.Status.DRAFT


def initial_of(campaign: Campaign) -> dict[str, Any]:
    """The form's fields of a saved draft."""
    content, options = campaign.content, campaign.options
    rows = list(campaign.campaign_segments.values_list("segment_id", "excluded")) if campaign.pk else []
    initial = {
        "name": campaign.name,
        "purpose": campaign.purpose_id,
        "segments": [str(pk) for pk, excluded in rows if not excluded],
        "excluded": [str(pk) for pk, excluded in rows if excluded],
        "require_interaction": bool(content.get("require_interaction")),
        "devices": device_words.text_of(options.get("devices", "all")),
        "urgency": options.get("urgency", "normal"),
        "collapse_key": options.get("collapse_key") or "",
        "per_minute": options.get("per_minute"),
    } | {name: content.get(name) or "" for name in ("title", "body", "url", "image", "icon")}
    for number, action in zip(BUTTONS, content.get("actions") or [], strict=False):
        initial |= {f"button_{number}_title": action.get("title"), f"button_{number}_url": action.get("url")}
    return initial | _life(options)


def _life(options: dict[str, Any]) -> dict[str, Any]:
    if options.get("expires_at"):
        moment = timezone.localtime(datetime.fromisoformat(options["expires_at"]))
        return {"life": UNTIL, "expires_at": f"{moment:%Y-%m-%dT%H:%M}"}
    seconds = options.get("ttl", 86_400)
    unit = next(unit for unit in ("days", "hours", "minutes") if seconds % UNITS[unit] == 0 or unit == "minutes")
    unit = "hours" if seconds == 86_400 else unit
    return {"life": TTL, "ttl_number": seconds // UNITS[unit], "ttl_unit": unit}


def local_moment(text: str, *, required: bool = False) -> datetime | None:
    """A moment as an input of type datetime-local gives it, in the Site's time zone; raises ValidationError."""
    if not text.strip():
        if required:
            raise ValidationError("Say when.")
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValidationError("This is no date and time. Write it like 2026-01-31T18:00.") from None
    return moment if moment.tzinfo else timezone.make_aware(moment)


def _button(number: int, given: dict[str, Any]) -> dict[str, str] | None:
    title, url = given.get(f"button_{number}_title", "").strip(), given.get(f"button_{number}_url", "").strip()
    if not title and not url:
        return None
    name = slugify(title) if "{" not in title else ""
    return {"action": name[:64] or f"button-{number}", "title": title} | ({"url": url} if url else {})


def _told_apart(actions: list[dict[str, str]]) -> list[dict[str, str]]:
    """Two buttons of the same name would be one in the statistics."""
    if len({action["action"] for action in actions}) < len(actions):
        for number, action in enumerate(actions, start=1):
            action["action"] = f"{action['action'][:60]}-{number}"
    return actions


def _others(campaign: Campaign | None, content: dict[str, Any]) -> dict[str, Any]:
    """Members that this form does not show, such as `badge`, stay as they were."""
    shown = {"title", "body", "url", "image", "icon", "actions", "require_interaction", "translations"}
    kept = {name: value for name, value in (campaign.content if campaign else {}).items() if name not in shown}
    return kept | content


def _posted_translations(data: Any) -> list[dict[str, str]]:
    """Rows of language and texts; those left wholly empty do not count."""
    columns: Iterable[list[str]] = [data.getlist(f"translation_{name}") for name in ("language", *TRANSLATED)]
    rows = [dict(zip(("language", *TRANSLATED), row, strict=True)) for row in zip(*columns, strict=False)]
    return [row for row in rows if any(re.sub(r"\s", "", value) for value in row.values())]


def _saved_translations(campaign: Campaign | None) -> list[dict[str, str]]:
    saved = (campaign.content.get("translations") or {}) if campaign else {}
    return [
        {"language": language} | {name: texts.get(name) or "" for name in TRANSLATED}
        for language, texts in saved.items()
    ]
