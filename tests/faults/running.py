"""A campaign that real workers send to a push service that counts, and what must be true of it at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from campaigns import launch, reconciling
from campaigns.models import Campaign, CampaignSegment, Delivery, Message
from subscribers.models import Segment
from tests.campaigns.world import assert_sums_agree, totals
from tests.faults.faulty_service import FaultyService
from tests.localpush.conftest import eventually
from tests.parts.many_devices import Crowd, add_crowd
from tests.parts.stack import Stack

UNRECORDED = 200
"""PUSH_UNRECORDED_MAX of these tests."""

HELD_FROM = 0.8
"""The last part of the answers, which the push service holds back until `finished` is asked for: however late a test
strikes, the campaign is not over by then."""


class Running:
    """One campaign to a crowd of devices over a Stack's workers. What the test process pokes goes nowhere."""

    def __init__(self, service: FaultyService, crowd: Crowd, stack: Stack):
        self.service, self.crowd, self.stack = service, crowd, stack
        self.message: Message

    def launch(self) -> Message:
        site = self.crowd.site
        content = {"title": "Hello", "url": "https://shop.example/"}
        campaign = Campaign.objects.create(site=site, name="Autumn", purpose=self.crowd.offers, content=content)
        segment = Segment.objects.create(site=site, name="Everyone", definition={"all": []})
        CampaignSegment.objects.create(campaign=campaign, segment=segment)
        message = launch.launch(campaign.pk, None, timezone.now())
        assert message is not None
        self.message = message
        return message

    def outcomes(self) -> int:
        return sum(totals(self.message).values())

    def sent(self, part: float, seconds: float = 120.0) -> None:
        """Waits until this part of the audience has an outcome; the campaign must not be over by then."""
        eventually(lambda: self.outcomes() > self.crowd.size * part, seconds)
        assert self.outcomes() < self.crowd.size, "it was over before the fault"

    def finished(self, seconds: float = 120.0) -> Message:
        """Waits until the message has come to its end, for which the push service releases what it holds back."""
        self.service.release()
        eventually(lambda: Message.objects.get(pk=self.message.pk).finished_at, seconds)
        self.message.refresh_from_db()
        return self.message

    def check(self, *, struck: int, seconds: float = 120.0) -> dict[str, Any]:
        """Nobody lost, no statistic doubled, and of each of the `struck` processes no more posts doubled than allowed.

        What the push service has seen.
        """
        self.finished(seconds)
        size, notes = self.crowd.size, self.service.notes()
        assert totals(self.message) == {"accepted": size}
        assert Delivery.objects.filter(message_id=self.message.pk).count() == size
        assert notes["devices"] == size, "lost"
        assert 0 <= notes["doubled"] <= UNRECORDED * struck, "doubled"
        self.assert_exact()
        return notes

    def assert_exact(self) -> None:
        assert_sums_agree(self.message)
        assert reconciling.differences(reconciling.scope_of_message(self.message.pk)) == []


def begin_running(
    begin_stack: Callable[..., Stack], service: FaultyService, devices: int, *, env: dict[str, str], **parts: Any
) -> Running:
    """Makes the devices and starts worker and beat; `parts` as those of `begin_stack`."""
    crowd = add_crowd(service.base, devices, folder="p", linked=False)
    given = {
        "PUSH_UNRECORDED_MAX": str(UNRECORDED),
        "PUSH_ANSWER_TIMEOUT": "120",  # far longer than a test takes to let the push service go on
        "SSL_CERT_FILE": service.ca_file,
    }
    stack = begin_stack(**({"worker": True, "beat": True} | parts), env=given | env)
    return Running(service, crowd, stack)


def stays(look: Callable[[], Any], seconds: float) -> None:
    """Fails when what `look` says changes within this time."""
    before, end = look(), time.monotonic() + seconds
    while time.monotonic() < end:
        assert look() == before
        time.sleep(0.05)
