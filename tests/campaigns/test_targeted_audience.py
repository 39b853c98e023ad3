"""An API call to an audience of segments goes the way of a campaign: frozen in steps, sent, counted, finished."""

from django.utils import timezone

from campaigns import freezing, statistics, targeted
from campaigns.models import Batch, Lane, Message
from campaigns.send_request import parse_send_request
from pushplatform.sites import public_ids
from pushplatform.webpush.transport import Transport
from tests.campaigns.shop import new_client
from tests.campaigns.world import World, assert_sums_agree, send, totals


def test_an_audience_over_the_api_is_frozen_sent_and_finished(world: World, transport: Transport) -> None:
    world.devices(5, linked=True)
    world.devices(2, allowed=0)
    asked = {
        "audience": {"segments": [public_ids.encode("seg", world.segment().pk)]},
        "purpose": "offers",
        "content": {"title": "Hello {{ contact.first_name }}"},
    }
    accepted = targeted.accept(parse_send_request(asked), world.site, new_client(world.site), timezone.now())
    message = accepted.message
    assert message.status == Message.Status.FREEZING
    while freezing.freeze_some(message.pk, timezone.now())[1]:
        pass
    assert set(Batch.objects.filter(message=message).values_list("lane", flat=True)) == {Lane.CAMPAIGN}
    message = send(message, transport)
    assert message.status == Message.Status.FINISHED
    assert totals(message) == {"accepted": 5}
    assert_sums_agree(message)
    figures = statistics.figures_of(message)
    assert figures is not None
    assert figures["people"] == {"targeted": 5, "reached": 5, "shown": 0, "clicked": 0}


def test_an_audience_of_nobody_finishes(world: World) -> None:
    asked = {
        "audience": {"segments": [public_ids.encode("seg", world.segment().pk)]},
        "purpose": "offers",
        "content": {"title": "Hello"},
    }
    message = targeted.accept(parse_send_request(asked), world.site, new_client(world.site), timezone.now()).message
    while freezing.freeze_some(message.pk, timezone.now())[1]:
        pass
    message.refresh_from_db()
    assert (message.status, message.targeted) == (Message.Status.FINISHED, 0)
