from typing import Any

from django.core.management.base import BaseCommand

from campaigns.recipients import REASONS_IN_ORDER
from pushplatform.webpush.outcome import REASONS

RESERVED = ("frequency_capped", "quiet_hours")
OF_AN_ANSWER = 100
"""Numbers from here on are decided by what a push service answered, or did not."""

ADVICE = {
    "unknown_contact": "Create the contact, or mend the id; upper and lower case count.",
    "unknown_device": "Forget the device id; it is of another Site, or was never one.",
    "duplicate_recipient": "Nothing: the person gets the message once.",
    "invalid_params": "Send fewer or shorter params; one recipient's may have 8,192 characters of JSON.",
    "personal_data_withdrawn": "Do not link this person to a browser until they agree anew.",
    "no_active_device": "Reach the person another way; nobody is subscribed in a browser.",
    "device_gone": "Reach the person on another device, or another way.",
    "no_matching_device": "Send with another device rule, or reach the person another way.",
    "consent_withdrawn": "Respect it. Ask again only where the person comes back to it by themselves.",
    "consent_missing": "Ask the person for this purpose on the page first.",
    "payload_too_large": "Shorten the texts or the params: one push carries 3,993 octets.",
    "render_failed": "Try the message with POST /messages/validate and these params.",
    "expired": "Send again if it still matters; give a longer ttl.",
    "link_changed": "Nothing: another person uses this browser now, and must not see it.",
    "no_usable_key": "Make a VAPID key for the Site in the admin.",
    "address_refused": "Nothing: the address is no push service's. An operator may allow its host.",
    "key_refused": "An operator looks at the VAPID key, the subject and the clock.",
    "key_mismatch": "Nothing: the browser subscribes anew on its next visit.",
    "rejected": "Tell the operator; the same message would be refused again.",
    "gave_up": "Send again later if it still matters.",
    "no_answer": "Look at the delivery: if the browser reports, it arrived.",
}

PAGE = """# Reason codes

Why a recipient was skipped, or a delivery was not accepted. The codes are stable; new ones may be added. This page is
written from the table `REASONS` in `pushplatform/webpush/outcome.py` by `manage.py reasons_page`.

## In the answer to POST /messages

`results[].reason` of a recipient who was skipped. Of several reasons the first in this order is told.

| reason | meaning | what to do |
|---|---|---|
{at_once}

## When it was to be sent

`reason` in `GET /messages/{{id}}/deliveries`, and in `failures` of the message. All that was true when the message was
accepted is looked at again when it is sent, so `device_gone` and `consent_withdrawn` may stand here too.

| reason | meaning | what to do |
|---|---|---|
{sending}

## From the answer of a push service

What each answer means stands in [answers.md](../answers.md).

| reason | meaning | what to do |
|---|---|---|
{answers}

## Reserved

Not given yet; clients should be ready for them.

| reason | meaning |
|---|---|
{reserved}
"""


def reasons_page() -> str:
    """The text of docs/api/reasons.md."""
    others = [code for code in REASONS if code not in REASONS_IN_ORDER and code not in RESERVED]
    by_answer = [code for code in others if REASONS[code].number >= OF_AN_ANSWER]
    return PAGE.format(
        at_once=_rows(REASONS_IN_ORDER),
        sending=_rows([code for code in others if code not in by_answer]),
        answers=_rows(by_answer),
        reserved="\n".join(f"| `{code}` | {REASONS[code].sentence} |" for code in RESERVED),
    )


def _rows(codes: Any) -> str:
    return "\n".join(f"| `{code}` | {REASONS[code].sentence} | {ADVICE.get(code, '')} |" for code in codes)


class Command(BaseCommand):
    help = "Prints docs/api/reasons.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(reasons_page(), ending="")
