"""Merges two contacts of one person: subscribers/joining.py, and what was sent to them."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from campaigns.models import Delivery
from pushplatform.sites.models import Site
from subscribers import contacts, joining, person
from subscribers.errors import Fault, Invalid
from subscribers.models import Contact


@dataclass(frozen=True, slots=True)
class Merged:
    contact: Contact
    counts: dict[str, int]


def merge(site: Site, external_id: str, into: str, now: datetime) -> Merged:
    """`external_id` becomes part of `into`. Batches frozen for it end `link_changed`: whoever is addressed by name is
    addressed anew. Raises NotFound, Conflict contact_merged, and Invalid for what is wrong with `into`."""
    if external_id == into:
        raise Invalid([Fault("/into", "merge_with_itself", "must be another contact")])
    with transaction.atomic():
        people = person.lock(site.id, external_id, into)
        if external_id not in people:
            contacts.find(site, external_id)
        if into not in people:
            raise Invalid([Fault("/into", "unknown_contact", "must be a contact of this Site")])
        old = people[external_id].contact.pk
        devices = joining.join(people[external_id], people[into], now)
        sent = Delivery.objects.filter(contact_id=old).update(contact_id=people[into].contact.pk)
        with connection.cursor() as cursor:
            cursor.execute(
                "update recipient r set contact_id = %s from message m"
                " where r.external_id = %s and r.contact_id = %s and m.id = r.message_id and m.site_id = %s",
                [people[into].contact.pk, external_id, old, site.id],
            )
    return Merged(people[into].contact, {"devices_moved": devices, "deliveries_moved": sent})
