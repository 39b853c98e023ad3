from subscribers.models.behaviour import Attribute, AttributeLock, Behaviour
from subscribers.models.consent import (
    ConsentEvidence,
    ConsentRecord,
    ConsentState,
    Decision,
    Purpose,
    Scope,
    Wording,
)
from subscribers.models.contact import Contact, ContactList, ContactListMember, ErasedContact, MergedContact
from subscribers.models.device import Device, DeviceStats, PageTag, Subscription
from subscribers.models.journal import JournalLine
from subscribers.models.segment import Segment, SegmentSize

__all__ = [
    "Attribute",
    "AttributeLock",
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
    "JournalLine",
    "MergedContact",
    "PageTag",
    "Purpose",
    "Scope",
    "Segment",
    "SegmentSize",
    "Subscription",
    "Wording",
]
