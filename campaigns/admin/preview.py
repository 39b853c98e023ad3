"""What a draft will look like: rendered by the very code that renders what is sent, for a real contact or for nobody
in particular."""

from dataclasses import dataclass
from typing import Any

import orjson

from campaigns.admin.contact_names import name_of
from campaigns.content import ContentError, Renderer, parse_content
from campaigns.liquid_text import RenderFailed
from campaigns.loading import CONTACT_FIELDS, DEVICE_FIELDS, contact_values
from campaigns.notification import Problem
from campaigns.payload import RECOMMENDED_PLAINTEXT
from pushplatform.sites.models import Site
from pushplatform.webpush.encryption import MAX_PLAINTEXT, PayloadTooLarge
from subscribers.admin.words import device_name
from subscribers.models import Contact, Device


@dataclass(frozen=True, slots=True)
class Viewer:
    """As whom the preview is seen; the neighbours are CRM ids, None at an end."""

    contact: Contact | None
    device: Device | None
    previous: str | None
    next: str | None


NOBODY = Viewer(None, None, None, None)


def find_viewer(site: Site, external_id: str, step: str = "") -> Viewer | None:
    """The contact of this CRM id, or with `step` (`next`, `previous`) its neighbour among those with an active device;
    None when there is no such contact. No CRM id is nobody in particular, with the first contact as the next."""
    reachable = (
        Contact.objects.filter(site=site, devices__status=Device.Status.ACTIVE).order_by("external_id").distinct()
    )
    if step == "next":
        contact = reachable.filter(external_id__gt=external_id).first()
    elif step == "previous":
        contact = reachable.filter(external_id__lt=external_id).last()
    elif external_id:
        contact = Contact.objects.filter(site=site, external_id=external_id).first()
        if contact is None:
            return None
    else:
        contact = None
    here = contact.external_id if contact else ""
    before = reachable.filter(external_id__lt=here).last() if here else None
    after = reachable.filter(external_id__gt=here).first()
    device = contact and contact.devices.order_by("status", "-last_seen_at").first()
    return Viewer(contact, device, before and before.external_id, after and after.external_id)


def draw(content: dict[str, Any], site: Site, viewer: Viewer, language: str = "") -> dict[str, Any]:
    """The rendered notification, its size and what is wrong: {notification?, octets, problems, warnings}.

    `problems` are (pointer, code, sentence), `warnings` (pointer, sentence). `language` stands for nobody's browser.
    """
    try:
        parsed = parse_content(content)
    except ContentError as error:
        return {"octets": 0, "problems": error.errors, "warnings": []}
    device = {name: getattr(viewer.device, name) for name in DEVICE_FIELDS} if viewer.device else {"language": language}
    contact = _contact_values(viewer.contact) if viewer.contact else {}
    warnings = [(pointer, detail) for pointer, code, detail in parsed.warnings if code != "payload_large"]
    try:
        payload = Renderer(parsed, site).render(contact, device, {})
    except (RenderFailed, PayloadTooLarge) as error:
        return {"octets": 0, "problems": [_failure(error, viewer)], "warnings": warnings}
    if len(payload) > RECOMMENDED_PLAINTEXT:
        detail = (
            f"{len(payload):,} bytes. Firefox on Android may lose what is over {RECOMMENDED_PLAINTEXT:,}: shorten it."
        )
        warnings.append(("", detail))
    return {
        "notification": _shown(orjson.loads(payload)["notification"]),
        "octets": len(payload),
        "problems": [],
        "warnings": warnings,
    }


def seen_as(viewer: Viewer) -> dict[str, Any]:
    """Who that is, for the line above the preview."""
    contact, device = viewer.contact, viewer.device
    return {
        "external_id": contact.external_id if contact else "",
        "name": (name_of(contact) or contact.external_id) if contact else "Nobody in particular",
        "device": device_name(device) if device else "",
        "language": (device and device.language) or (contact and contact.language) or "",
        "previous": viewer.previous,
        "next": viewer.next,
    }


def _contact_values(contact: Contact) -> dict[str, Any]:
    row = [getattr(contact, name) for name in CONTACT_FIELDS]
    return contact_values([*row, orjson.dumps(contact.attributes)])


def _failure(error: Exception, viewer: Viewer) -> Problem:
    who = viewer.contact.external_id if viewer.contact else "nobody in particular"
    if isinstance(error, PayloadTooLarge):
        return (
            "",
            "payload_too_large",
            f"Too long for {who}: a push carries {MAX_PLAINTEXT:,} bytes. Shorten the text.",
        )
    return ("", "render_failed", f"Cannot be filled for {who}: {error}.")


def _shown(notification: dict[str, Any]) -> dict[str, Any]:
    """What a screen shows of a payload; tokens are not for pages."""
    return {
        "title": notification["title"],
        "body": notification.get("body", ""),
        "icon": notification.get("icon", ""),
        "image": notification.get("image", ""),
        "language": notification.get("lang", ""),
        "buttons": [action["title"] for action in notification.get("actions", [])],
        "stays": bool(notification.get("requireInteraction")),
        "target": notification["data"]["url"],
    }
