"""Samples of bad answers: one of each kind and their number, and never a word of an endpoint."""

import pytest
from django.db import connection
from django.utils import timezone

from campaigns import answer_samples
from campaigns.answer_samples import BLANK, MOST, Sample, Samples, shown
from campaigns.models import AnswerSample
from pushplatform.webpush.outcome import REASONS, Answer, classify
from pushplatform.webpush.request import PushService
from tests.campaigns.world import send

TOKEN = "cE7x-Qd_kLmN:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx_abcdefghijklmnop"
ENDPOINT = f"https://fcm.googleapis.com/fcm/send/{TOKEN}"


def write(message_id, *samples):
    with connection.cursor() as cursor:
        answer_samples.write(cursor, message_id, samples, timezone.now())


def sample_of(status, number=1, body="no"):
    return Sample((1, status, REASONS["rejected"].number, ""), number, {}, body)


def test_each_kind_of_bad_answer_leaves_one_sample_with_their_number(world, transport):
    world.devices(6)
    for place in (1, 2):
        world.fault(403, place, text=f"not with this key <b>{place}</b>")
    world.fault(429, 3, text="slow down", retry_after="120")
    world.fault("reset", 4)
    message = send(world.launched(), transport)
    found = {
        (one.http_code, one.error): (one.number, one.body, one.headers.get("retry-after"))
        for one in AnswerSample.objects.filter(message_id=message.pk)
    }
    assert found.keys() == {(403, ""), (429, ""), (0, "reset")}
    number, body, _ = found[403, ""]
    assert number == 2
    assert "not with this key <b>" in body
    assert found[429, ""][0] == 1
    assert "slow down" in found[429, ""][1]
    assert found[429, ""][2] == "120"
    assert found[0, "reset"] == (1, "", None)


def test_a_campaign_in_which_all_goes_well_leaves_no_sample(world, transport):
    world.devices(3)
    message = send(world.launched(), transport)
    assert not AnswerSample.objects.filter(message_id=message.pk).exists()


def test_an_endpoint_that_a_push_service_repeats_is_never_stored(world, transport):
    [device] = world.devices(1)
    endpoint = device.subscription.endpoint
    world.fault(400, 0, text=f"bad request to {endpoint} of subscription {endpoint.rsplit('/', 1)[1]}")
    message = send(world.launched(), transport)
    body = AnswerSample.objects.get(message_id=message.pk).body
    assert "bad request to" in body
    assert endpoint.rsplit("/", 1)[1] not in body


@pytest.mark.parametrize(
    "said",
    [
        f"Invalid: {ENDPOINT}",
        f"Invalid: {ENDPOINT.replace('/', chr(92) + '/')}",
        f'{{"token":"{TOKEN}"}}',
        f"token {TOKEN.upper()}",
        f"token {TOKEN[:12]} is unknown",
        f"token ...{TOKEN[-15:]}",
        "Invalid: https%3A%2F%2Ffcm.googleapis.com%2Ffcm%2Fsend%2F" + TOKEN.replace(":", "%3A"),
        f"x{TOKEN}x",
    ],
)
def test_whatever_looks_like_the_endpoint_or_its_token_is_blanked(said):
    kept = shown(said.encode(), ENDPOINT)
    assert BLANK in kept
    for start in range(len(TOKEN) - 9):
        assert TOKEN[start : start + 10].lower() not in kept.lower()


def test_another_devices_token_is_blanked_too():
    other = "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABmX0"
    kept = shown(f"{other} gAAAAABmX0abcdefghij1234 http://autopush.readthedocs.io/".encode(), ENDPOINT)
    assert kept == f"https://updates.push.services.mozilla.com/{BLANK} {BLANK} http://autopush.readthedocs.io/{BLANK}"


@pytest.mark.parametrize("words", ["UnauthorizedRegistration", "VapidPkHashMismatch", "MismatchSenderId"])
def test_the_vendors_own_words_stay(words):
    assert shown(f'{{"reason":"{words}"}}'.encode(), ENDPOINT) == f'{{"reason":"{words}"}}'


def test_a_sample_is_500_bytes_at_most_of_text_that_can_be_stored_and_shown():
    kept = shown(b"\x00\x1b[31m" + "ä ".encode() * 2000 + b"\xff", ENDPOINT)
    assert 490 <= len(kept.encode()) <= 500
    assert "\x00" not in kept
    assert "\x1b" not in kept


def test_a_token_cut_by_the_limit_of_500_bytes_is_blanked_before_the_cut():
    kept = shown(b"a " * 245 + TOKEN.encode(), ENDPOINT)
    assert "cE7x" not in kept


def test_of_the_headers_only_those_are_kept_that_say_why_or_until_when():
    headers = {"retry-after": "60", "x-wns-error-description": f"Ttl {TOKEN}", "location": ENDPOINT, "set-cookie": "a"}
    answer = Answer(429, headers, b"", None, 0.1)
    samples = Samples()
    samples.note(PushService.WINDOWS, classify(answer, service=PushService.WINDOWS, now=0.0), answer, ENDPOINT)
    [sample] = samples.take()
    assert sample.headers is not None
    assert set(sample.headers) == {"retry-after", "x-wns-error-description"}
    assert "APA91" not in str(sample.headers)


def test_what_is_seen_again_adds_to_the_first_sample(world):
    write(7, sample_of(400, 3, "first"))
    write(7, sample_of(400, 2, "second"), sample_of(413, 1, "large"))
    assert list(AnswerSample.objects.filter(message_id=7).order_by("http_code").values_list("number", "body")) == [
        (5, "first"),
        (1, "large"),
    ]


def test_a_message_keeps_so_many_kinds_and_goes_on_counting_those(world):
    write(8, *(sample_of(400 + n) for n in range(MOST - 1)))
    write(8, *(sample_of(400 + n) for n in range(90)))
    found = AnswerSample.objects.filter(message_id=8)
    assert found.count() == MOST
    assert found.get(http_code=400).number == 2
    write(9, *(sample_of(400 + n) for n in range(90)))
    assert AnswerSample.objects.filter(message_id=9).count() == MOST
