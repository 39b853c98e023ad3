"""Who may do what on which Site: the one place where the admin asks. Rights come from Membership, never from Django's
model permissions, so that a staff user needs nothing beside a role."""

from enum import IntEnum
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from pushplatform.sites.models import Membership, Site

SESSION_KEY = "push_site"
"""The Site a staff user last chose to work on."""


class Right(IntEnum):
    """What a role allows; a higher one includes the lower ones."""

    SEE = 1
    COMPOSE = 2
    """Segments and campaigns: write them, launch them."""
    ADMINISTER = 3
    """Keys, members, purposes, wordings and contacts."""


RIGHT_OF_ROLE: dict[Any, Right] = {
    Membership.Role.ANALYST: Right.SEE,
    Membership.Role.MARKETER: Right.COMPOSE,
    Membership.Role.ADMINISTRATOR: Right.ADMINISTER,
}


def is_superuser(user: Any) -> bool:
    return bool(user.is_active and getattr(user, "is_staff", False) and getattr(user, "is_superuser", False))


def roles_of(user: Any) -> dict[int, str]:
    """Role by Site id of a staff user, read once per user object; empty for everybody else."""
    if not user.is_active or not getattr(user, "is_staff", False):
        return {}
    known: dict[int, str] | None = getattr(user, "_roles_on_sites", None)
    if known is None:
        rows = Membership.objects.filter(user_id=user.pk).values_list("site_id", "role")
        known = dict(rows)
        user._roles_on_sites = known
    return known


def role_on(user: Any, site: Site | int) -> str | None:
    """The user's role on a Site; a superuser is an administrator everywhere, None is no role at all."""
    if is_superuser(user):
        return str(Membership.Role.ADMINISTRATOR)
    return roles_of(user).get(site if isinstance(site, int) else site.pk)


def may(user: Any, right: Right, site: Site | int | None) -> bool:
    """Whether the user has this right on a Site; without a Site, only a superuser has."""
    if is_superuser(user):
        return True
    role = None if site is None else role_on(user, site)
    return role is not None and RIGHT_OF_ROLE[role] >= right


def sites_of(user: Any, right: Right = Right.SEE) -> QuerySet[Site]:
    """The Sites on which the user has this right."""
    if is_superuser(user):
        return _sites()
    ids = [site_id for site_id, role in roles_of(user).items() if RIGHT_OF_ROLE[role] >= right]
    return _sites().filter(pk__in=ids)


def _sites() -> QuerySet[Site]:
    """Without the secrets: to read them is to decrypt them."""
    return Site.objects.defer("identity_secret", "receipt_secret")


def current_site(request: HttpRequest) -> Site | None:
    """The Site this request works on: named by `_site` in the address, else the one last chosen, else the first.

    Always one of the user's own; None when there is none.
    """
    known: list[Site | None] | None = getattr(request, "_current_site", None)
    if known is None:
        known = [_find_current_site(request)]
        request._current_site = known
    return known[0]


def choose_site(request: HttpRequest) -> bool:
    """Remember the Site named by `_site` in the address; False when the user has no such Site."""
    site = current_site(request)
    if site is None or str(site.pk) != request.GET.get("_site"):
        return False
    request.session[SESSION_KEY] = site.pk
    return True


def _find_current_site(request: HttpRequest) -> Site | None:
    own = {site.pk: site for site in sites_of(request.user)}
    for wanted in (request.GET.get("_site"), request.session.get(SESSION_KEY)):
        if str(wanted).isdigit() and int(wanted) in own:
            return own[int(wanted)]
    return next(iter(own.values()), None)
