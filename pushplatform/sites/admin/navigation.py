"""What the admin's frame shows, named by dotted path in settings.UNFOLD: the sidebar, the Site chooser, the mark of a
demo."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import Truncator

from pushplatform.sites.access import Right, current_site, is_superuser, may, sites_of

MOST_IN_CHOOSER = 30


def can_see(request: HttpRequest) -> bool:
    return may(request.user, Right.SEE, current_site(request))


def can_administer(request: HttpRequest) -> bool:
    return may(request.user, Right.ADMINISTER, current_site(request))


def can_do_everything(request: HttpRequest) -> bool:
    return is_superuser(request.user)


def site_name(request: HttpRequest) -> str | None:
    """The name of the Site the page is about, under the platform's own."""
    if not request.user.is_authenticated:
        return None
    site = current_site(request)
    return site.name if site else "No site yet"


def site_chooser(request: HttpRequest) -> list[dict[str, str]] | None:
    """The other Sites of this user; None when there is nothing to choose."""
    if not request.user.is_authenticated:
        return None
    sites = list(sites_of(request.user)[:MOST_IN_CHOOSER])
    if len(sites) < 2:
        return None
    here = current_site(request)
    return [
        {
            "icon": "check" if here is not None and site.pk == here.pk else "language",
            "title": Truncator(site.name).chars(40),
            "link": f"{reverse('admin:index')}?_site={site.pk}",
        }
        for site in sites
    ]


def environment_mark(request: HttpRequest) -> list[str] | None:
    """A label that says this is no production; None where it is."""
    marks = {"demo": ["Demo", "info"], "test": ["Test", "warning"]}
    return marks.get(settings.ENVIRONMENT)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar; pages the user may not see are left out."""
    here = f"{__name__}."
    return [
        {"items": [_item("Home", "home", "index", here + "can_see_home")]},
        {
            "title": "Reach people",
            "items": [
                _item("Campaigns", "campaign", "campaigns_campaign_changelist", here + "can_see")
                | {"active": is_about_campaigns},
                _item("Push services", "speed", "campaigns_campaign_push_services", here + "can_see"),
            ],
        },
        {
            "title": "Audience",
            "items": [
                _item("Segments", "filter_alt", "subscribers_segment_changelist", here + "can_see"),
                _item("Uploaded lists", "playlist_add_check", "subscribers_contactlist_changelist", here + "can_see"),
                _item("Contacts", "group", "subscribers_contact_changelist", here + "can_see"),
                _item("Devices", "devices", "subscribers_device_changelist", here + "can_see"),
            ],
        },
        {
            "title": "Site set-up",
            "items": [
                _item("Sites", "language", "sites_site_changelist", here + "can_see"),
                _item("Purposes and wordings", "verified_user", "subscribers_purpose_changelist", here + "can_see"),
                _item("Contact attributes", "data_object", "subscribers_attribute_changelist", here + "can_see"),
                _item("Tags from pages", "sell", "subscribers_pagetag_changelist", here + "can_see"),
                _item("VAPID keys", "key", "sites_vapidkey_changelist", here + "can_administer"),
                _item("API clients", "api", "sites_apiclient_changelist", here + "can_administer"),
                _item("API requests", "receipt_long", "api_requestline_changelist", here + "can_administer"),
                _item("Members", "badge", "sites_membership_changelist", here + "can_administer"),
            ],
        },
        {
            "title": "Platform",
            "items": [_item("Users", "manage_accounts", "auth_user_changelist", here + "can_do_everything")],
        },
    ]


def can_see_home(request: HttpRequest) -> bool:
    return bool(request.user.is_authenticated)


def is_about_campaigns(request: HttpRequest) -> bool:
    """Whether the page is one of campaigns; that of the push services lies below them and has an item of its own."""
    campaigns, services = (reverse(f"admin:campaigns_campaign_{name}") for name in ("changelist", "push_services"))
    return request.path.startswith(campaigns) and not request.path.startswith(services)


def _item(title: str, icon: str, name: str, permission: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{name}"), "permission": permission}
