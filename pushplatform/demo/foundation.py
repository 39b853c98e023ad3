"""What the demo needs before anybody visits: a shop Site with its keys, purposes, accounts and an API key."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import transaction

from pushplatform.sites import public_ids, vapid_keys
from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import ApiClient, Membership, Scope, Site
from subscribers import purposes

SITE_NAME = "Kiln & Kettle"
WORDINGS: dict[str, tuple[str, str, dict[str, str]]] = {
    "offers": (
        "marketing",
        "Offers",
        {
            "en": "Send me offers and news from Kiln & Kettle, about once a week.",
            "pl": "Wysyłajcie mi oferty i nowości Kiln & Kettle, mniej więcej raz w tygodniu.",
            "de": "Schickt mir Angebote und Neues von Kiln & Kettle, etwa einmal in der Woche.",
        },
    ),
    "order_updates": (
        "service",
        "Order updates",
        {
            "en": "Tell me when my order is packed, on its way and at my door.",
            "pl": "Dajcie znać, gdy moje zamówienie jest spakowane, w drodze i pod drzwiami.",
            "de": "Sagt mir, wenn meine Bestellung gepackt, unterwegs und vor der Tür ist.",
        },
    ),
    # For those who work here; the shop's buttons leave it out.
    "team_alerts": (
        "service",
        "Team alerts",
        {
            "en": "Tell me at once when one of my customers needs me.",
            "pl": "Dajcie mi od razu znać, gdy potrzebuje mnie któryś z moich klientów.",
            "de": "Sagt mir sofort, wenn mich einer meiner Kunden braucht.",
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Foundation:
    """What others need to know: the Site's public id, the CRM's API key, and the secret the shop signs with."""

    site_id: str
    api_key: str
    identity_secret: str


def lay(kept: Path, shop_url: str, passwords: dict[str, str]) -> Foundation:
    """The demo's Site and accounts; made once and kept in the file `kept` (0600), its origin follows `shop_url`.

    `passwords`: for the accounts `admin` (sees everything) and `marketer` (a marketer of the Site), set at each start.
    """
    foundation = Foundation(**json.loads(kept.read_text())) if kept.exists() else None
    site = _site_of(foundation)
    if foundation is not None and site is not None:
        # A port that was busy gives the shop another origin: the old one stays, its visitors may come back.
        if shop_url not in site.origins:
            site.origins = [shop_url, *site.origins]
        site.home_url = shop_url
        site.save(update_fields=["origins", "home_url"])
    else:
        with transaction.atomic():
            foundation = _make(shop_url)
        kept.touch(mode=0o600)
        kept.write_text(json.dumps(asdict(foundation)))
    _set_accounts(public_ids.decode("site", foundation.site_id), passwords)
    return foundation


def _site_of(foundation: Foundation | None) -> Site | None:
    """The Site that was laid; None in a database that is not the one it was laid in."""
    if foundation is None:
        return None
    try:
        return Site.objects.filter(pk=public_ids.decode("site", foundation.site_id)).first()
    except public_ids.UnknownId:
        return None


def _make(shop_url: str) -> Foundation:
    site = Site.objects.create(
        name=SITE_NAME,
        origins=[shop_url],
        time_zone="Europe/Warsaw",
        vapid_subject="mailto:push@kilnandkettle.example",
        home_url=shop_url,
    )
    vapid_keys.generate(site)
    purposes.add_site_defaults(site)
    for key, (kind, title, texts) in WORDINGS.items():
        purposes.add(site, key, kind, title, texts)
    client = ApiClient.objects.create(site=site, name="Demo CRM", scopes=Scope.values)
    _, secret = make_key(client)
    return Foundation(public_ids.encode("site", site.pk), secret, site.identity_secret.decode())


def _set_accounts(site_id: int, passwords: dict[str, str]) -> None:
    for name, password in passwords.items():
        user, _ = get_user_model().objects.get_or_create(username=name, defaults={"is_staff": True})
        user.is_superuser = name == "admin"
        if not user.check_password(password):
            user.set_password(password)
        user.save()
        if name != "admin":
            Membership.objects.get_or_create(user=user, site_id=site_id, defaults={"role": Membership.Role.MARKETER})
