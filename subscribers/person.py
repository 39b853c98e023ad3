"""A whole person: the contact, the CRM ids that were merged into it, and the devices linked to it, all locked."""

from dataclasses import dataclass

from subscribers import links
from subscribers.models import Contact, Device, MergedContact, Purpose


@dataclass(frozen=True, slots=True)
class Person:
    """`external_ids`, `contact_ids`: the contact's own first, then those merged into it. `purposes`: by bit."""

    contact: Contact
    external_ids: list[str]
    contact_ids: list[int]
    device_ids: list[int]
    purposes: list[Purpose]


def lock(site_id: int, *external_ids: str) -> dict[str, Person]:
    """Those of the people who are there, by CRM id; what decisions about them read or change stands still until the
    caller's transaction ends. Order of locks: purposes, contacts, devices."""
    purposes = list(Purpose.objects.raw("select * from purpose where site_id = %s order by id for share", [site_id]))
    purposes.sort(key=lambda purpose: purpose.bit)
    wanted = Contact.objects.filter(site_id=site_id, external_id__in=external_ids)
    links.lock(wanted.values_list("id", flat=True), [])
    people = {}
    for contact in Contact.objects.filter(site_id=site_id, external_id__in=external_ids):  # as they are, locked
        merged = list(MergedContact.objects.filter(into=contact).values_list("external_id", "merged_id"))
        people[contact.external_id] = Person(
            contact,
            [contact.external_id, *(external_id for external_id, _ in merged)],
            [contact.pk, *(merged_id for _, merged_id in merged)],
            list(Device.objects.filter(contact=contact).order_by("id").values_list("id", flat=True)),
            purposes,
        )
    return people
