"""Who calls the CRM API: `Authorization: Bearer pp_<prefix>_<secret>`, and what its client may do."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from pushplatform.api.problems import Problem
from pushplatform.sites.api_keys import find_key, is_allowed_from, note_use
from pushplatform.sites.models import ApiClient, ApiKey, Scope, Site

CHALLENGE = 'Bearer realm="api"'


@dataclass(frozen=True, slots=True)
class Caller:
    """What `request.auth` is: the ApiClient behind the key, its Site and its scopes.

    `per_minute`: the key's own limit, None for that of the settings.
    """

    client: ApiClient
    site: Site
    scopes: frozenset[str]
    key_id: int
    key_prefix: str
    per_minute: int | None


class ApiKeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to a Caller; `request.user` stays None: no person is signed in."""

    def authenticate(self, request: Request) -> tuple[None, Caller] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2:
            raise _unknown("invalid_api_key")
        key = find_key(words[1].decode("latin-1"))
        if key is None:
            raise _unknown("invalid_api_key")
        _check(key, request.META.get("REMOTE_ADDR", ""))
        client = key.client
        caller = Caller(client, client.site, frozenset(client.scopes), key.pk, key.prefix, key.per_minute)
        request._request.caller = caller  # for the request log
        return None, caller

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def _check(key: ApiKey, address: str) -> None:
    now = timezone.now()
    if key.revoked_at is not None:
        raise _unknown("api_key_revoked")
    if key.expires_at is not None and key.expires_at <= now:
        raise _unknown("api_key_expired")
    if not is_allowed_from(key, address):
        raise Problem("address_not_allowed")
    note_use(key, now)


def _unknown(code: str) -> Problem:
    return Problem(code, headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'})


class HasScope(BasePermission):
    """The caller holds one of the view's scopes: `required_scope` is one Scope, several, or a dict of them by method.

    A view without `required_scope` is for every key. Without a key it is 401 in any case.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            raise Problem("not_authenticated", headers={"WWW-Authenticate": CHALLENGE})
        if wanted := lacks_scope(request, view):
            names = " or ".join(str(Scope(scope).value) for scope in wanted)
            raise Problem("missing_scope", f"The API key's client lacks the scope {names}.")
        return True


def lacks_scope(request: Request, view: Any) -> tuple[str, ...]:
    """The scopes of which the caller would need one and holds none; empty when all is well."""
    required = getattr(view, "required_scope", None)
    if isinstance(required, dict):
        # HEAD reads what GET reads; a method the view lacks goes on to its 405.
        required = required.get("GET" if request.method == "HEAD" else request.method)
    if required is None:
        return ()
    wanted = (required,) if isinstance(required, str) else tuple(required)
    return () if request.auth.scopes.intersection(wanted) else wanted
