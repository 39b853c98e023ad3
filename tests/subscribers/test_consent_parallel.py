"""Decisions, links and answers of push services that come at the same time: no deadlock, and nothing is lost."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from subscribers import devices, ledger, links, purposes, reconciling
from subscribers.ledger import Decided
from subscribers.models import Decision, Device, Purpose, Scope, Subscription
from tests.subscribers.browsers import Browser
from tests.subscribers.people import new_contact, new_device, new_site, wording_of

WORKERS, ACTS = 6, 60


class Crowd:
    def __init__(self) -> None:
        self.site = new_site()
        self.contacts = [new_contact(self.site).id for _ in range(2)]
        self.devices = [new_device(self.site).id for _ in range(5)]
        self.purposes = list(self.site.purposes.order_by("bit")[:3])
        for number, device_id in enumerate(self.devices):
            same = {"endpoint_hash": bytes([number]) * 32, "secret_hash": b"", "p256dh": b"", "auth": b""}
            Subscription.objects.create(device_id=device_id, site=self.site, endpoint="", **same)

    def act(self, seed: int) -> None:
        chance, now = random.Random(seed), timezone.now()
        act = chance.choice([self.decide, self.decide, self.everywhere, self.link, self.cut, self.gone, self.reword])
        act(chance, now)

    def line(self, scope, subject, purpose: Purpose, decision) -> Decided:
        return Decided(self.site.id, scope, subject, purpose.id, decision, "test", wording_of(purpose).id)

    def decide(self, chance, now):
        scope = chance.choice(list(Scope))
        subjects = self.devices if scope == Scope.DEVICE else self.contacts
        purpose, decision = chance.choice(self.purposes), chance.choice([1, 1, 2])
        ledger.record([self.line(scope, chance.choice(subjects), purpose, Decision(decision))], now)

    def everywhere(self, chance, now):
        purpose, decision = chance.choice(self.purposes), Decision(chance.choice([1, 1, 2]))
        device_id, contact_id = chance.choice(self.devices), chance.choice(self.contacts)
        subjects = ((Scope.DEVICE, device_id), (Scope.CONTACT, contact_id))
        ledger.record([self.line(*one, purpose, decision) for one in subjects], now)

    def link(self, chance, now):
        device_id, contact_id = chance.choice(self.devices), chance.choice(self.contacts)
        with transaction.atomic():
            links.lock([contact_id], [device_id])
            if links.obstacle(device_id, contact_id) is None:
                links.cut([device_id], now)
                links.link(device_id, contact_id)

    def cut(self, chance, now):
        with transaction.atomic():
            links.cut(links.lock([], [chance.choice(self.devices)]), now)

    def gone(self, chance, now):
        chosen = chance.sample(range(len(self.devices)), 3)
        devices.mark_gone([(self.devices[number], bytes([number]) * 32) for number in chosen], now)

    def reword(self, chance, now):
        purposes.add_wording(chance.choice(self.purposes), {"en": "Anew."}, now, ends_older=chance.random() < 0.3)


def test_acts_at_the_same_time_neither_lock_each_other_out_nor_get_lost(crowd):
    def work(worker: int) -> None:
        try:
            for number in range(ACTS):
                crowd.act(worker * ACTS + number)
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    assert not reconciling.differences()
    assert Device.objects.filter(allowed__gt=0).exists()


def meanwhile(first, second) -> None:
    """Runs `first` in a transaction; `second`, begun before its commit in another session, must wait for it."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            waiting = pool.submit(in_own_session, second)
            until_somebody_waits_for_us()
        waiting.result()


def in_own_session(act) -> None:
    try:
        act()
    finally:
        connection.close()


def until_somebody_waits_for_us() -> None:
    waits_for_us = "not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"  # other tests use the server too
    for _ in range(6000):
        with connection.cursor() as cursor:
            cursor.execute(f"select 1 from pg_locks where {waits_for_us}")
            if cursor.fetchone():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited")


@pytest.fixture
def crowd(fresh_database) -> Crowd:
    return Crowd()


def test_a_link_waits_for_a_withdrawal_that_is_being_recorded(crowd):
    now = timezone.now()
    personal, device_id, contact_id = crowd.purposes[0], crowd.devices[0], crowd.contacts[0]
    ledger.record([crowd.line(Scope.DEVICE, device_id, personal, Decision.GRANTED)], now)

    def link():
        with transaction.atomic():
            links.lock([contact_id], [device_id])
            if links.obstacle(device_id, contact_id) is None:
                links.link(device_id, contact_id)

    meanwhile(lambda: ledger.record([crowd.line(Scope.CONTACT, contact_id, personal, Decision.WITHDRAWN)], now), link)
    assert Device.objects.get(id=device_id).contact_id is None


def test_an_old_yes_waits_for_the_wording_that_ends_it(crowd):
    now = timezone.now()
    offers, device_id = crowd.purposes[2], crowd.devices[0]
    yes = crowd.line(Scope.DEVICE, device_id, offers, Decision.GRANTED)
    meanwhile(
        lambda: purposes.add_wording(offers, {"en": "Anew."}, now, ends_older=True), lambda: ledger.record([yes], now)
    )
    assert Device.objects.get(id=device_id).allowed == 0
    assert not reconciling.differences()


def test_a_device_that_subscribes_anew_while_its_410_is_recorded_lives_on(crowd):
    device_id = crowd.devices[0]
    retired = []

    def subscribe_anew():
        links.lock([], [device_id])
        Subscription.objects.filter(device_id=device_id).update(endpoint_hash=b"new")

    meanwhile(subscribe_anew, lambda: retired.extend(devices.mark_gone([(device_id, bytes(32))], timezone.now())))
    assert retired == []
    assert Device.objects.get(id=device_id).status == Device.Status.ACTIVE


def test_two_registrations_of_one_endpoint_at_once_make_one_active_device(crowd):
    browser = Browser(crowd.site)
    body = browser.body()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: in_own_session(lambda: browser.post_registration(body)), range(4)))
    assert len(answers) == 4
    made = Device.objects.filter(site=crowd.site, subscription__endpoint=browser.subscription["endpoint"])
    assert made.count() == 1
    assert Device.objects.filter(site=crowd.site, status=Device.Status.REPLACED).count() == 3


def test_a_wording_waits_for_the_old_yes_of_a_device_that_is_being_made(crowd):
    now, offers = timezone.now(), crowd.purposes[2]
    made = []

    def register():
        made.append(new_device(crowd.site).id)
        ledger.record([crowd.line(Scope.DEVICE, made[0], offers, Decision.GRANTED)], now)

    meanwhile(register, lambda: purposes.add_wording(offers, {"en": "Anew."}, now, ends_older=True))
    assert Device.objects.get(id=made[0]).allowed == 0
    assert not reconciling.differences()
