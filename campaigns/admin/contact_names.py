"""How a contact is called on a page."""

from subscribers.models import Contact


def name_of(contact: Contact) -> str | None:
    """The name, where the CRM tells one."""
    attributes = contact.attributes
    whole = attributes.get("name") or " ".join(
        str(attributes[key]) for key in ("first_name", "last_name") if attributes.get(key)
    )
    return str(whole) or None
