"""Decisions that a CRM tells of: a person said yes or no somewhere else, on paper, on the phone, in an account."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Max

from pushplatform.api.fields import Fields
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import contacts, ledger
from subscribers.errors import Fault, Invalid, NotFound
from subscribers.ledger import Decided
from subscribers.models import ConsentRecord, Contact, Decision, Purpose, Scope, Wording
from subscribers.purposes import LANGUAGE, LONGEST_WORDING

DECISIONS: Final[Mapping[str, Any]] = {"granted": Decision.GRANTED, "withdrawn": Decision.WITHDRAWN}
SOURCE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
DEFAULT_SOURCE: Final = "crm-api"
LONGEST_EVIDENCE: Final = 8_192
"""Characters as JSON."""

MOST_WORDINGS: Final = 1_000
"""Different texts of one purpose that are taken from CRMs; a text made for each person would be no wording."""


@dataclass(frozen=True, slots=True)
class Told:
    """`wording`: the id of one, or its (language, text), or None; `occurred_at` None is now."""

    purpose: str
    decision: Decision
    wording: int | tuple[str, str] | None
    source: str
    occurred_at: datetime | None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """`counts`: whether it is the newest decision for its purpose that the CRM tells of."""

    record: ConsentRecord
    wording: Wording | None
    counts: bool


def parse_told(body: Fields) -> Told | None:
    """The decision in a body; None where something is wrong with it, which the body's errors say."""
    before = len(body.errors)
    purpose, word = body.text("purpose", required=True, most=64), body.text("decision", required=True)
    if word is not None and word not in DECISIONS:
        body.wrong("decision", "invalid_value", "decision must be granted or withdrawn.")
    source, occurred_at, wording = body.text("source"), body.time("occurred_at"), _wording(body)
    if source is not None and not SOURCE.fullmatch(source):
        detail = "source must be 1 to 64 of a-z, 0-9, _ and -, such as phone or shop-account."
        body.wrong("source", "invalid_value", detail)
    if word == "granted":
        for name in ("wording", "source", "occurred_at"):
            if body.any(name) is None:
                detail = f"A grant needs {name}: to which wording the person agreed, where, and when."
                body.wrong(name, "consent_proof_missing", detail)
    evidence = _evidence(body)
    body.refuse_unknown()
    if len(body.errors) > before or purpose is None or word is None:
        return None
    return Told(purpose, DECISIONS[word], wording, source or DEFAULT_SOURCE, occurred_at, evidence)


def _wording(body: Fields) -> int | tuple[str, str] | None:
    raw = body.any("wording")
    if raw is None:
        return None
    if isinstance(raw, str):
        try:
            return public_ids.decode("wrd", raw)
        except public_ids.UnknownId:
            body.wrong("wording", "unknown_wording", "wording is no id of a wording; send one, or {language, text}.")
            return None
    if not isinstance(raw, dict):
        body.wrong("wording", "invalid_type", "wording must be the id of a wording, or {language, text}.")
        return None
    members = Fields(raw, body.errors, "wording")
    language, text = members.text("language", required=True, most=35), members.any("text", required=True)
    if language is not None and not LANGUAGE.fullmatch(language):
        members.wrong("language", "invalid_language", "language must be a language tag such as en or pt-BR.")
    if text is not None and not (isinstance(text, str) and 0 < len(text.strip()) <= LONGEST_WORDING):
        members.wrong("text", "invalid_wording", f"text must be a text of 1 to {LONGEST_WORDING} characters.")
        text = None
    members.refuse_unknown()
    return (language, text.strip()) if language and text else None


def _evidence(body: Fields) -> Mapping[str, Any]:
    raw = body.any("evidence")
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        body.wrong("evidence", "invalid_type", "evidence must be an object.")
    elif len(json.dumps(raw, ensure_ascii=False)) > LONGEST_EVIDENCE:
        detail = f"evidence must be at most {LONGEST_EVIDENCE:,} characters of JSON; keep files in the CRM."
        body.wrong("evidence", "out_of_range", detail)
    else:
        return raw
    return {}


def tell(site: Site, external_id: str, told: Told, now: datetime) -> Recorded:
    """Records the decision in the scope of the contact; raises NotFound, Conflict contact_merged, and Invalid."""
    contact_id = contacts.find(site, external_id).pk
    with transaction.atomic():
        purpose = _purpose(site, told)
        wording = _known_wording(purpose, told)
        if not Contact.objects.select_for_update(no_key=True).filter(pk=contact_id).exists():
            raise NotFound  # erased or merged a moment ago
        decided = Decided(
            site_id=site.id,
            scope=Scope(Scope.CONTACT),
            subject_id=contact_id,
            purpose_id=purpose.pk,
            decision=told.decision,
            source=told.source,
            wording_id=wording and wording.pk,
            claimed_at=told.occurred_at,
            evidence=told.evidence,
        )
        (line_id,) = ledger.record([decided], now)
        record = ConsentRecord.objects.get(scope=Scope.CONTACT, subject_id=contact_id, id=line_id)
        return Recorded(record, wording, _counts(contact_id, purpose, record))


def _purpose(site: Site, told: Told) -> Purpose:
    """Share-locked, or for writing where a text may have to become a wording. A no is taken for an archived one too."""
    lock = "update" if isinstance(told.wording, tuple) else "share"
    query = f"select * from purpose where site_id = %s and key = %s for {lock}"
    found = list(Purpose.objects.raw(query, [site.id, told.purpose]))
    if not found or (found[0].archived and told.decision == Decision.GRANTED):
        keys = Purpose.objects.filter(site=site, archived=False).order_by("bit").values_list("key", flat=True)
        raise Invalid([Fault("/purpose", "unknown_purpose", f"must be one of {', '.join(keys)}")])
    return found[0]


def _known_wording(purpose: Purpose, told: Told) -> Wording | None:
    if told.wording is None:
        return None
    wordings = Wording.objects.filter(purpose=purpose)
    if isinstance(told.wording, int):
        wording = wordings.filter(pk=told.wording).first()
        if wording is None:
            raise Invalid([Fault("/wording", "unknown_wording", f"must be a wording of {purpose.key}")])
        return wording
    language, text = told.wording
    wording = wordings.filter(language=language, text=text).order_by("-version").first()
    if wording is not None:
        return wording
    if wordings.filter(from_crm=True).count() >= MOST_WORDINGS:
        detail = f"is a new text, and {MOST_WORDINGS:,} different ones were recorded already; send the id of one"
        raise Invalid([Fault("/wording", "too_many_wordings", detail)])
    newest = wordings.aggregate(newest=Max("version"))["newest"] or 0
    return Wording.objects.create(purpose=purpose, version=newest + 1, language=language, text=text, from_crm=True)


def _counts(contact_id: int, purpose: Purpose, record: ConsentRecord) -> bool:
    """Whether the state is what this line says; an equal one of before counts as this one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select decision = %s and at = least(%s, %s) from consent_state"
            " where scope = %s and subject_id = %s and purpose_id = %s",
            [record.decision, record.claimed_at, record.recorded_at, Scope.CONTACT, contact_id, purpose.pk],
        )
        return bool(cursor.fetchone()[0])
