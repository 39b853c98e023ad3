"""People, browsers and Sites for the tests of this room."""

from itertools import count

from django.utils import timezone

from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import KeyPair
from subscribers import purposes
from subscribers.models import Contact, Device, Purpose, Wording

numbers = count(1)


def new_site(name: str = "Shop") -> Site:
    site = Site.objects.create(name=name, origins=["https://shop.example"], vapid_subject="mailto:push@shop.example")
    pair = KeyPair.generate()
    VapidKey.objects.create(site=site, public_key=pair.public_key, private_key=pair.private_key)
    purposes.add_site_defaults(site)
    purposes.add(site, "offers", "marketing", "Offers", {"en": "Send me offers.", "pl": "Przysyłajcie mi oferty."})
    purposes.add(site, "order_updates", "service", "Orders", {"en": "Tell me about my orders."})
    return site


def new_device(site: Site, **values: object) -> Device:
    now = timezone.now()
    defaults = {"service": 6, "vapid_key": site.vapid_keys.first(), "subscribed_at": now, "last_seen_at": now}
    return Device.objects.create(site=site, **{**defaults, **values})


def new_contact(site: Site, **values: object) -> Contact:
    return Contact.objects.create(site=site, **{"external_id": f"CRM-{next(numbers)}", **values})


def wording_of(purpose: Purpose) -> Wording:
    """The newest wording of a purpose."""
    wording = purpose.wordings.order_by("-version", "id").first()
    assert wording is not None
    return wording
