from subscribers.models.behaviour import Attribute, Behaviour
from subscribers.models.consent import (
    ConsentEvidence,
    ConsentRecord,
    ConsentState,
    Decision,
    Purpose,
    Scope,
    Wording,
)
from subscribers.models.contact import Contact, ContactList, ContactListMember, ErasedContact
from subscribers.models.device import Device, DeviceStats, Subscription
from subscribers.models.segment import Segment

__all__ = [
    "Attribute",
    "Behaviour",
    "ConsentEvidence",
    "ConsentRecord",
    "ConsentState",
    "Contact",
    "ContactList",
    "ContactListMember",
    "Decision",
    "Device",
    "DeviceStats",
    "ErasedContact",
    "Purpose",
    "Scope",
    "Segment",
    "Subscription",
    "Wording",
]
