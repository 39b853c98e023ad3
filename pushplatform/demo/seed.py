"""Fills the demo through its running processes: contacts, simulated browsers that subscribe as real ones do, segments,
a campaign that was really sent, and a draft that is ready to launch."""

import hashlib
import hmac
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
from django.contrib.auth import get_user_model
from django.utils import timezone

from campaigns import tasks
from campaigns.launch import launch
from campaigns.models import Campaign, CampaignSegment, MessageTotal
from pushplatform.demo.foundation import Foundation
from pushplatform.demo.people import Browser, Person, people, sales_people
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import upserting
from subscribers.models import Purpose, Segment

Say = Callable[[str], None]

PATIENCE_S = 60.0
AT_ONCE = 4  # registrations: more only wait for the same two cores
BEHAVIOUR = {"receive": 0.94, "show": 1.0, "click": 0.11, "close": 0.34, "action": 0.3, "delay_ms": [200, 3000]}
LEFT_BEFORE = 0.03  # share of browsers whose person took the permission away since: the push service answers 410


class SeedFailed(Exception):
    """The demo could not be filled; the text says at which step and why."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo's processes are reached: origins without a closing slash."""

    platform: str
    shop: str
    push: str


def seed(foundation: Foundation, places: Places, say: Say) -> None:
    """Fills an empty demo; returns at once when it was filled before."""
    site = Site.objects.get(pk=public_ids.decode("site", foundation.site_id))
    if Campaign.objects.filter(site=site).exists():
        return
    everybody = [*people(timezone.localdate()), *sales_people()]
    if not site.contacts.exists():
        say(f"contacts: {len(everybody)}")
        for person in everybody:
            upserting.upsert(
                site,
                person.external_id,
                attributes=person.attributes,
                tags=person.tags,
                language=person.language,
                time_zone=person.time_zone,
                owner=person.owner,
            )
    wanted = [(person, browser) for person in everybody for browser in person.browsers]
    if not site.devices.exists():
        say(f"simulated browsers: {len(wanted)}")
        _subscribe(foundation, places, wanted)
    say("segments and campaigns")
    _campaigns(site, places, say)


def _subscribe(foundation: Foundation, places: Places, wanted: list[tuple[Person, Browser]]) -> None:
    config = _call("GET", f"{places.platform}/push/v1/sites/{foundation.site_id}/config")
    made = _call(
        "POST",
        f"{places.push}/browsers/batch",
        {
            "defaults": {
                "application_server_key": config["vapid_public_key"],
                "receipts_url": f"{places.platform}/push/v1/receipts",
                "behaviour": BEHAVIOUR,
            },
            "browsers": [{"label": person.external_id} for person, _ in wanted],
        },
    )["data"]
    wordings = {purpose["key"]: purpose["wording"]["id"] for purpose in config["purposes"]}

    def register(number: int) -> None:
        person, browser = wanted[number]
        body = {
            "subscription": made[number]["subscription"],
            "application_server_key": config["vapid_public_key"],
            "language": browser.language,
            "time_zone": browser.time_zone,
            "consents": [
                {"purpose": key, "wording_id": wordings[key], "decision": "granted" if yes else "withdrawn"}
                for key, yes in browser.consents.items()
            ],
            "page_url": f"{places.shop}/",
        }
        if browser.consents["personal_data"]:
            body["identity"] = _identity(foundation, person.external_id)
        headers = {"Origin": places.shop, "User-Agent": browser.user_agent}
        _call("POST", f"{places.platform}/push/v1/sites/{foundation.site_id}/devices", body, headers)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(register, range(len(wanted))))
    leaving = [made[number]["id"] for number in range(len(wanted)) if number % round(1 / LEFT_BEFORE) == 7]
    for browser_id in leaving:
        _call("PATCH", f"{places.push}/browsers/{browser_id}", {"subscribed": False})


def _identity(foundation: Foundation, external_id: str) -> dict[str, Any]:
    """What the shop's server signs after a log-in (api.md §2)."""
    issued_at = int(time.time())
    text = f"v1.{foundation.site_id}.{external_id}.{issued_at}"
    signature = hmac.new(foundation.identity_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"external_id": external_id, "issued_at": issued_at, "signature": signature}


def _campaigns(site: Site, places: Places, say: Say) -> None:
    everyone = Segment.objects.create(
        site=site, name="Everyone", description="Every device that may get it.", definition={"all": []}
    )
    Segment.objects.create(
        site=site,
        name="Pro and team customers",
        description="People on a paid plan.",
        definition={"all": [{"field": "contact.attributes.plan", "op": "in", "value": ["pro", "team"]}]},
    )
    offers = Purpose.objects.get(site=site, key="offers")
    author = get_user_model().objects.get(username="marketer")
    sent = Campaign.objects.create(
        site=site, name="The autumn kiln is open", purpose=offers, content=_autumn(places), created_by=author
    )
    draft = Campaign.objects.create(
        site=site, name="Weekend offer", purpose=offers, content=_weekend(places), created_by=author
    )
    for campaign in (sent, draft):
        CampaignSegment.objects.create(campaign=campaign, segment=everyone)
    say("sending the first campaign")
    message = launch(sent.pk, author.pk, timezone.now())
    if message is None:
        raise SeedFailed("The first campaign was scheduled instead of launched.")
    tasks.freeze_message.poke(message.pk)
    _wait_for("the first campaign to be sent", lambda: _is_sent(sent.pk))
    _wait_for("its receipts", lambda: _has_clicks(message.pk))


def _is_sent(campaign_id: int) -> bool:
    return Campaign.objects.filter(pk=campaign_id, status=Campaign.Status.SENT).exists()


def _has_clicks(message_id: int) -> bool:
    return MessageTotal.objects.filter(message_id=message_id, clicked__gt=0).exists()


def _wait_for(what: str, done: Callable[[], bool]) -> None:
    until = timezone.now() + timedelta(seconds=PATIENCE_S)
    while not done():
        if timezone.now() > until:
            raise SeedFailed(f"Waited {PATIENCE_S:.0f} s for {what}. The logs of web and workers say more.")
        time.sleep(0.1)


def _call(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    answer = requests.request(method, url, json=body, headers=headers, timeout=20)
    if not answer.ok:
        raise SeedFailed(f"{method} of the demo was answered with {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def _autumn(places: Places) -> dict[str, Any]:
    return {
        "title": "The autumn kiln is open",
        "body": "{{ contact.first_name | default: 'Hello' }}, eight new pieces came out warm this morning.",
        "url": f"{places.shop}/",
        "actions": [{"action": "see", "title": "See them", "url": f"{places.shop}/#pieces"}],
        "translations": {
            "pl": {
                "title": "Jesienny piec otwarty",
                "body": "{{ contact.first_name | default: 'Cześć' }}, dziś rano wyszło z niego osiem nowych naczyń.",
                "actions": [{"action": "see", "title": "Zobacz"}],
            },
            "de": {
                "title": "Der Herbstbrand ist da",
                "body": "{{ contact.first_name | default: 'Hallo' }}, acht neue Stücke kamen heute früh aus dem Ofen.",
                "actions": [{"action": "see", "title": "Ansehen"}],
            },
        },
    }


def _weekend(places: Places) -> dict[str, Any]:
    return {
        "title": "{{ contact.first_name | default: 'Hello' }}, 20 % off teapots this weekend",
        "body": "Every slow teapot in the shop, until Sunday evening. No code needed.",
        "url": f"{places.shop}/products/slow-teapot",
        "actions": [{"action": "see", "title": "See the teapot", "url": f"{places.shop}/products/slow-teapot"}],
        "translations": {
            "pl": {
                "title": "{{ contact.first_name | default: 'Cześć' }}, w weekend czajniczki 20 % taniej",
                "body": "Każdy czajniczek w sklepie, do niedzieli wieczorem. Bez kodu.",
                "actions": [{"action": "see", "title": "Zobacz czajniczek"}],
            },
            "de": {
                "title": "{{ contact.first_name | default: 'Hallo' }}, 20 % auf Teekannen am Wochenende",
                "body": "Jede Teekanne im Laden, bis Sonntagabend. Ohne Code.",
                "actions": [{"action": "see", "title": "Zur Teekanne"}],
            },
        },
    }
