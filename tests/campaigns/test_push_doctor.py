"""`manage.py push_doctor`: two engines, one device, and a verdict on whose fault it is."""

import io

import pytest
from django.core.management import CommandError, call_command

from campaigns import doctor
from pushplatform.sites import public_ids
from subscribers.models import Device


def run(device, code=None):
    out = io.StringIO()
    if code is None:
        call_command("push_doctor", public_ids.encode("dev", device.pk), stdout=out)
    else:
        with pytest.raises(SystemExit) as ended:
            call_command("push_doctor", public_ids.encode("dev", device.pk), stdout=out)
        assert ended.value.code == code
    text = out.getvalue()
    assert device.subscription.endpoint not in text
    assert device.subscription.endpoint.rsplit("/", 1)[1] not in text
    return text


def test_both_engines_reach_a_browser_that_is_well(world):
    [device] = world.devices(1)
    text = run(device)
    assert "201" in text
    assert "The push service takes both" in text
    shown = {entry["body"] for entry in world.push.inbox(label=world.label(0))}
    assert shown == {"Sent by the platform's own engine.", "Sent by pywebpush."}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (410, "the subscription no longer exists"),
        (403, "refuses our VAPID token"),
        (503, "stayed busy"),
    ],
)
def test_what_both_engines_are_refused_is_neither_ones_fault(world, status, words):
    [device] = world.devices(1)
    world.fault(status, 0)
    text = run(device, code=1)
    assert f"{status}" in text
    assert "neither engine" in text
    assert words in text


def test_what_only_our_engine_is_refused_is_our_fault(world):
    [device] = world.devices(1)
    world.fault(400, 0, count=1)
    assert "fault is in the platform's engine" in run(device, code=1)


def test_what_only_pywebpush_is_refused_is_not_ours(world, monkeypatch):
    [device] = world.devices(1)
    ours = doctor._ours

    def then_break(*args):
        answer = ours(*args)
        world.fault(400, 0)
        return answer

    monkeypatch.setattr(doctor, "_ours", then_break)
    assert "the fault is pywebpush's" in run(device)


def test_a_hidden_endpoint_in_an_answer_stays_hidden(world):
    [device] = world.devices(1)
    world.fault(400, 0, text=f"bad endpoint {device.subscription.endpoint}")
    assert "<endpoint>" in run(device, code=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"allowed": 3}, "agreed to no messages"),
        ({"status": Device.Status.GONE}, "not active"),
    ],
)
def test_a_device_that_may_not_be_sent_to_gets_no_test(world, change, words):
    [device] = world.devices(1)
    Device.objects.filter(pk=device.pk).update(**change)
    with pytest.raises(CommandError, match=words):
        call_command("push_doctor", public_ids.encode("dev", device.pk), stdout=io.StringIO())
    assert world.push.inbox(label=world.label(0)) == []


@pytest.mark.parametrize("text", ["dev_nothing", "msg_aaaaaaaaaaaaaaaaaaaaaaaaaa", "7"])
def test_an_id_that_is_none_is_named(module_database, text):
    with pytest.raises(CommandError, match=f"no device {text}"):
        call_command("push_doctor", text)
