"""What a browser tells about itself, parsed at the edge into values that nothing behind it needs to doubt."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from pushplatform.api.fields import Fields
from pushplatform.api.problems import FieldError, pointer
from pushplatform.sites import public_ids
from pushplatform.webpush.keys import InvalidKey, SubscriptionKeys, b64url_decode
from pushplatform.webpush.request import Endpoint, EndpointRefused, parse_endpoint
from subscribers.contacts import LANGUAGE, LONGEST_ID, external_id_faults, is_time_zone
from subscribers.errors import Invalid
from subscribers.models import Decision
from subscribers.user_agent import Agent

MOST_CHOICES: Final = 62
LONGEST_LANGUAGE: Final = 35
_SIGNATURE = re.compile(r"[0-9a-fA-F]{64}")
_DECISIONS: Final[Mapping[str, Any]] = {"granted": Decision.GRANTED, "withdrawn": Decision.WITHDRAWN}


@dataclass(frozen=True, slots=True)
class Reach:
    """Which endpoints are taken, beside those of the browsers' makers."""

    extra_hosts: frozenset[str] = frozenset()
    allow_loopback: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Where it was decided: the origin goes into the ledger, the path is evidence."""

    origin: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision about one purpose with the wording that was shown; `at` is its JSON pointer."""

    purpose: str
    wording_id: int
    decision: Decision
    everywhere: bool
    at: str


@dataclass(frozen=True, slots=True)
class Said:
    """What was decided, and where; `evidence` is what erasure may empty."""

    choices: tuple[Choice, ...] = ()
    page: Page = Page()
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def everywhere(self) -> "Said":
        """Those decisions that are to count for all devices of the person."""
        return replace(self, choices=tuple(choice for choice in self.choices if choice.everywhere))


@dataclass(frozen=True, slots=True)
class Identity:
    """The shop's word for who is signed in; `issued_at` in Unix seconds, `at` its JSON pointer."""

    external_id: str
    issued_at: int
    signature: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """An installation that says which device it is, with the secret that proves it."""

    device_id: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Registration:
    endpoint: Endpoint
    keys: SubscriptionKeys
    application_server_key: bytes
    language: str
    time_zone: str
    said: Said
    claim: Claim | None
    identity: Identity | None
    agent: Agent

    @property
    def endpoint_hash(self) -> bytes:
        return hashlib.sha256(self.endpoint.url.encode()).digest()


def parse_registration(
    raw: Any, *, origins: list[str], reach: Reach, agent: Agent, evidence: Mapping[str, Any]
) -> Registration:
    """The registration in a request's body; raises Invalid. `origins`: where the Site's pages are."""
    errors: list[FieldError] = []
    body = Fields(raw, errors)
    claim, key = _claim(body), _octets(body, "application_server_key")
    endpoint, keys = _subscription(body.any("subscription", required=True), errors, reach)
    language, time_zone = body.text("language") or "", body.text("time_zone") or ""
    said = parse_said(body, errors, origins, evidence)
    signed_in = body.any("identity")
    identity = None if signed_in is None else parse_identity(Fields(signed_in, errors, "identity"), "identity")
    body.refuse_unknown()
    if errors or key is None or endpoint is None or keys is None:
        raise Invalid(errors)
    return Registration(
        endpoint=endpoint,
        keys=keys,
        application_server_key=key,
        # A browser may be newer than our tables: what we do not know is no reason to refuse a person.
        language=language if len(language) <= LONGEST_LANGUAGE and LANGUAGE.fullmatch(language) else "",
        time_zone=time_zone if is_time_zone(time_zone) else "",
        said=said,
        claim=claim,
        identity=identity,
        agent=agent,
    )


def parse_said(body: Fields, errors: list[FieldError], origins: list[str], evidence: Mapping[str, Any]) -> Said:
    """The members `consents` and `page_url`."""
    return Said(_choices(body, errors), _page(body, origins), evidence)


def parse_identity(members: Fields, *path: str) -> Identity | None:
    """Who is signed in, as {external_id, issued_at, signature}; None when something is wrong with it."""
    external_id = members.text("external_id", required=True, most=LONGEST_ID)
    for _, code, detail in external_id_faults(external_id) if external_id else ():
        members.wrong("external_id", code, detail)
    members.any("issued_at", required=True)
    issued_at, signature = members.integer("issued_at", 0, 2**53), members.text("signature", required=True)
    if signature and not _SIGNATURE.fullmatch(signature):
        members.wrong("signature", "wrong_signature", "signature must be 64 hexadecimal digits: an HMAC-SHA256.")
    members.refuse_unknown()
    if external_id is None or issued_at is None or signature is None:
        return None
    return Identity(external_id, issued_at, signature.lower(), pointer(*path))


def _claim(body: Fields) -> Claim | None:
    """None for a new installation, and for an id that is none of ours: it will be a new one."""
    device_id, secret = body.text("device_id"), body.text("device_secret")
    try:
        return Claim(public_ids.decode("dev", device_id), secret) if device_id and secret else None
    except public_ids.UnknownId:
        return None


def _choices(body: Fields, errors: list[FieldError]) -> tuple[Choice, ...]:
    """At most one decision for each purpose."""
    raw = body.any("consents")
    if raw is not None and (not isinstance(raw, list) or len(raw) > MOST_CHOICES):
        body.wrong("consents", "invalid_value", f"consents must be a list of at most {MOST_CHOICES} decisions.")
        return ()
    choices: dict[str, Choice] = {}
    for number, one in enumerate(raw or ()):
        choice = _choice(Fields(one, errors, "consents", number), pointer("consents", number))
        if choice and choice.purpose in choices:
            detail = f"{choice.purpose} is decided twice in one request; send one decision."
            errors.append(FieldError(f"{choice.at}/purpose", "duplicate_purpose", detail))
        if choice:
            choices[choice.purpose] = choice
    return tuple(choices.values())


def _choice(one: Fields, at: str) -> Choice | None:
    purpose, decision = one.text("purpose", required=True, most=64), one.text("decision", required=True)
    if decision is not None and decision not in _DECISIONS:
        one.wrong("decision", "invalid_value", "decision must be granted or withdrawn.")
    wording = one.text("wording_id", required=True)
    wording_id = _wording_id(one, wording) if wording else None
    everywhere = one.any("everywhere")
    if everywhere is not None and not isinstance(everywhere, bool):
        one.wrong("everywhere", "invalid_type", "everywhere must be true or false.")
    one.refuse_unknown()
    if purpose is None or decision is None or decision not in _DECISIONS or wording_id is None:
        return None
    return Choice(purpose, wording_id, _DECISIONS[decision], everywhere is True, at)


def _wording_id(one: Fields, text: str) -> int | None:
    try:
        return public_ids.decode("wrd", text)
    except public_ids.UnknownId:
        one.wrong("wording_id", "unknown_wording", "wording_id is no wording; take it from the config.")
        return None


def _page(body: Fields, origins: list[str]) -> Page:
    """The address without its parameters, which may carry what is nobody's business."""
    url = body.text("page_url", most=2048)
    if url is None:
        return Page()
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    origin = f"{parts.scheme}://{parts.netloc}"
    if origin not in origins:
        body.wrong("page_url", "invalid_page", "page_url must be a page of one of the Site's origins.")
    return Page(origin, parts.path[:1024])


def _subscription(raw: Any, errors: list[FieldError], reach: Reach) -> tuple[Endpoint | None, SubscriptionKeys | None]:
    """The browser made this object, so members that we do not know are no mistake of the page."""
    if raw is None:
        return None, None
    subscription = Fields(raw, errors, "subscription")
    # Of any length here: the wire's own error says how long one may be.
    url, keys = subscription.text("endpoint", required=True, most=10**6), subscription.any("keys", required=True)
    endpoint = None
    try:
        if url is not None:
            endpoint = parse_endpoint(url, extra_hosts=reach.extra_hosts, allow_loopback=reach.allow_loopback)
    except EndpointRefused as error:
        subscription.wrong("endpoint", f"endpoint_{error.code}", error.detail)
    return endpoint, None if keys is None else _keys(Fields(keys, errors, "subscription", "keys"))


def _keys(keys: Fields) -> SubscriptionKeys | None:
    p256dh, auth = keys.text("p256dh", required=True), keys.text("auth", required=True)
    try:
        if p256dh and auth:
            return SubscriptionKeys.parse(p256dh, auth)
    except InvalidKey as error:
        keys.wrong(error.field, "invalid_key", f"{error.field} {error.detail}")
    return None


def _octets(body: Fields, name: str) -> bytes | None:
    text = body.text(name, required=True)
    try:
        return None if text is None else b64url_decode(text)
    except ValueError:
        body.wrong(name, "invalid_key", f"{name} must be base64url text.")
        return None
