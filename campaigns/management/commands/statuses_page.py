from typing import Any

from django.core.management.base import BaseCommand

from campaigns.delivery_status import IMPLIED, MOVES, STEPS, Status

PROVES = {
    Status.QUEUED: "We promised to try. Nothing has gone out, or another attempt waits.",
    Status.ACCEPTED: "The push service answered 201: it keeps the message for the browser until the ttl is over. The "
    "device may be off for weeks; this is no delivery.",
    Status.RECEIVED: "The browser's service worker ran with the message. The device has it.",
    Status.SHOWN: "The browser was told to show it and reported no error. No human need have looked: the system's own "
    "settings, a focus mode or a locked screen may hide it.",
    Status.CLOSED: "The person, or the system for them, put it away without a click. Not every browser says so.",
    Status.CLICKED: "Somebody at this device clicked it or a button of it. The strongest word there is.",
    Status.FAILED: "It will not be tried again; `reason` says why. With `no_answer` it may have arrived.",
    Status.GONE: "The push service says that the subscription has ended. The device was retired.",
    Status.EXPIRED: "Its time was over before a push service took it.",
    Status.SKIPPED: "Not sent: something had changed since it was accepted; `reason` says what.",
    Status.CANCELLED: "Not sent: the message was cancelled before.",
}

PAGE = """# Delivery statuses

What `status` says in `GET /messages/{{id}}/deliveries`, for one device of one message, and what it proves. This page is
written from the tables in `campaigns/delivery_status.py` by `manage.py statuses_page`.

| status | what it proves |
|---|---|
{proves}

## Beside the ticks of a messenger

| there | here | how far it carries |
|---|---|---|
| sent ✓ | `accepted` | The push service has it. It says nothing of the device. |
| delivered ✓✓ | `received` | The browser has it. |
| read (blue ✓✓) | `clicked` | Only a click shows that somebody saw it. `shown` is less: it was on the screen. |
| failed | `failed`, `gone`, `expired`, `skipped`, `cancelled` | `reason` tells which and why. |

There is no "read" for a notification: a person may read it and never click, so more read it than `clicked` counts,
and fewer than `shown` does. A report that does not come proves nothing: the browser may be offline, closed, or may not
send reports at all.

## It only moves forward

Reports come late, doubled, out of order, and with steps missing. A status moves only as this table says, whatever comes
when; everything else leaves it as it is.

| from | to |
|---|---|
{moves}

What a browser reports has happened, even where we had given a delivery up: a request without an answer may have
arrived.

The first report of each kind is kept. A step whose report is missing gets the time of the step that tells of it, and
stands in `implied` until its own report comes.

| reported | implies |
|---|---|
{implied}

## Expired unseen

`expired_unseen` is true for a device when a push service accepted the message, its lifetime has passed, and the browser
never reported to have received it. It is derived, and turns false if a late report still comes. `status=expired_unseen`
lists them; `statistics.expired_unseen` counts them.

## People who did not agree to be measured

Without consent to `measurement` the browser's reports are counted in the message's statistics and belong to no device:
`receipts` is `aggregate`, the status stays `accepted`, and `expired_unseen` is null, because for this device nobody can
know. With it `receipts` is `device`; before there is an outcome it is null.
"""


def statuses_page() -> str:
    """The text of docs/api/statuses.md."""
    return PAGE.format(
        proves="\n".join(f"| `{status}` | {PROVES[status]} |" for status in Status),
        moves="\n".join(f"| `{status}` | {_words(MOVES[status]) or 'nothing: the end'} |" for status in Status),
        implied="\n".join(f"| `{step}` | {_words(IMPLIED[step])} |" for step in STEPS if IMPLIED[step]),
    )


def _words(statuses: Any) -> str:
    return ", ".join(f"`{status}`" for status in Status if status in statuses)


class Command(BaseCommand):
    help = "Prints docs/api/statuses.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(statuses_page(), ending="")
