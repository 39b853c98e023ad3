"""A campaign of the benchmarks: personalised, in two languages; launched and followed as the platform does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

import pushplatform.celery  # noqa: F401  (tasks are sent by this app)
from campaigns import launch
from campaigns.counting import OUTCOMES
from campaigns.models import Campaign, CampaignSegment, Message
from campaigns.tasks import freeze_message
from subscribers.models import Segment
from tests.parts.many_devices import Crowd

CONTENT = {
    "title": "Hello {{ contact.first_name | default: 'you' }}, your basket is waiting",
    "body": "Two things you liked are still there, and one of them is now cheaper.",
    "url": "https://shop.example/basket?from=push",
    "translations": {
        "pl": {
            "title": "{{ contact.first_name | default: 'Cześć' }}, koszyk czeka",
            "body": "Dwie rzeczy, które Ci się spodobały, wciąż tam są, a jedna z nich potaniała.",
        }
    },
}
PATIENCE_S = 600.0
_ENDED = " + ".join(f"sum({column})" for column in OUTCOMES.values())


@dataclass(frozen=True)
class Launched:
    """A message under way; `at`: Unix seconds just before the launch."""

    message_id: int
    at: float

    def done(self) -> int:
        """Devices that have an outcome."""
        with connection.cursor() as cursor:
            cursor.execute(f"select {_ENDED} from message_total where message_id = %s", [self.message_id])
            return int(cursor.fetchone()[0])

    def finished_at(self) -> float | None:
        """When the message came to its end, Unix seconds; None before."""
        found = Message.objects.values_list("finished_at", flat=True).get(pk=self.message_id)
        return found and found.timestamp()


def launch_to(crowd: Crowd, **options: Any) -> Launched:
    """Launches a campaign to the whole crowd, as the admin does."""
    campaign = Campaign.objects.create(
        site=crowd.site, name="Baskets", purpose=crowd.offers, content=CONTENT, options=options
    )
    segment = Segment.objects.create(site=crowd.site, name="Everyone", definition={"all": []})
    CampaignSegment.objects.create(campaign=campaign, segment=segment)
    at = time.time()
    message = launch.launch(campaign.pk, None, timezone.now())
    if message is None:
        raise RuntimeError("the campaign was scheduled instead of launched")
    freeze_message.poke(message.pk)
    return Launched(message.pk, at)


def until(condition: Callable[[], object], look_every_s: float = 0.05) -> None:
    """Waits until it is true; raises RuntimeError when that takes longer than any campaign."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing happened within {PATIENCE_S:.0f} s")
        time.sleep(look_every_s)
