"""Makes one person of two contacts: devices and what is known move, the most restrictive consent wins."""

from datetime import datetime

from django.db import connection

from subscribers import ledger
from subscribers.allowance import rework
from subscribers.forgetting import leave_lists
from subscribers.ledger import Decided
from subscribers.models import Behaviour, ConsentState, Decision, MergedContact, Scope
from subscribers.person import Person


def join(gone: Person, into: Person, now: datetime) -> int:
    """Part of the caller's transaction, in which both were locked; how many devices moved.

    What `into` has stands; `gone` fills what is missing there. Its CRM id leads to `into` from now on.
    """
    _fill(gone, into, now)
    _move(gone, into, now)
    rework([*gone.device_ids, *into.device_ids])
    ledger.record(_lines(gone, into), now)
    gone.contact.delete()
    return len(gone.device_ids)


def _fill(gone: Person, into: Person, now: datetime) -> None:
    old, contact = gone.contact, into.contact
    contact.attributes = {**old.attributes, **contact.attributes}
    contact.tags = sorted({*old.tags, *contact.tags})
    for name in ("owner", "language", "time_zone"):
        setattr(contact, name, getattr(contact, name) or getattr(old, name))
    contact.save()


def _move(gone: Person, into: Person, now: datetime) -> None:
    old, new = gone.contact.pk, into.contact.pk
    with connection.cursor() as cursor:
        cursor.execute("update device set contact_id = %s where contact_id = %s", [new, old])
        # The yes that a browser gave to being linked to the one is a yes to being linked to the other.
        cursor.execute("update consent_state set contact_id = %s where contact_id = %s", [new, old])
        cursor.execute(
            "update contact_list_member m set contact_id = %s where contact_id = %s and not exists ("
            "  select from contact_list_member n where n.list_id = m.list_id and n.contact_id = %s)",
            [new, old, new],
        )
    leave_lists(old)  # where both are in it
    Behaviour.objects.filter(contact_id=old).update(contact_id=new)
    MergedContact.objects.filter(into=gone.contact).update(into=into.contact)
    MergedContact.objects.create(
        site_id=into.contact.site_id, external_id=gone.contact.external_id, merged_id=old, into=into.contact, at=now
    )


def _lines(gone: Person, into: Person) -> list[Decided]:
    """One line for each purpose that either decided: withdrawn if one says so, else the newer yes."""
    states: dict[int, list[ConsentState]] = {}
    both = [gone.contact.pk, into.contact.pk]
    for state in ConsentState.objects.filter(scope=Scope.CONTACT, subject_id__in=both):
        states.setdefault(state.purpose_id, []).append(state)
    lines = []
    for purpose in into.purposes:
        if purpose.pk not in states:
            continue
        decides = max(states[purpose.pk], key=lambda state: (state.decision, state.at))
        lines.append(
            Decided(
                site_id=purpose.site_id,
                scope=Scope(Scope.CONTACT),
                subject_id=into.contact.pk,
                purpose_id=purpose.pk,
                decision=Decision(decides.decision),
                source="merge",
                wording_id=decides.wording_id,
            )
        )
    return lines
