"""The rule of consent: the pure function, its SQL form, and both held against each other on random histories."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushplatform.sites.models import Site
from subscribers import consent, ledger, links, purposes, reconciling
from subscribers.consent import Line
from subscribers.ledger import Decided
from subscribers.models import ConsentRecord, Contact, Decision, Device, Purpose, Scope, Wording
from tests.subscribers.people import new_contact, new_device, new_site, wording_of

GRANTED, WITHDRAWN = Decision.GRANTED, Decision.WITHDRAWN
START = datetime(2026, 3, 1, tzinfo=UTC)


def line(scope, decision, *, bit=2, version=1, claimed=0, arrived=0):
    return Line(scope, bit, decision, version, START + timedelta(hours=claimed), START + timedelta(hours=arrived))


def test_never_asked_is_not_granted():
    assert consent.allowed([], {}) == 0


@pytest.mark.parametrize(
    ("browser", "crm", "allowed"),
    [
        (GRANTED, None, True),
        (None, GRANTED, True),
        (GRANTED, GRANTED, True),
        (GRANTED, WITHDRAWN, False),
        (WITHDRAWN, GRANTED, False),
        (WITHDRAWN, None, False),
        (None, WITHDRAWN, False),
    ],
)
def test_no_scope_may_say_no_and_one_must_say_yes(browser, crm, allowed):
    lines = [line(scope, said) for scope, said in ((Scope.DEVICE, browser), (Scope.CONTACT, crm)) if said]
    assert consent.allowed(lines, {}) == (4 if allowed else 0)


def test_a_late_arrival_does_not_undo_what_was_decided_after_it():
    lines = [line(Scope.DEVICE, WITHDRAWN, claimed=5, arrived=5), line(Scope.DEVICE, GRANTED, claimed=1, arrived=9)]
    assert consent.allowed(lines, {}) == 0


def test_nobody_decides_in_the_future():
    lines = [line(Scope.DEVICE, GRANTED, claimed=99, arrived=1), line(Scope.DEVICE, WITHDRAWN, claimed=2, arrived=2)]
    assert consent.allowed(lines, {}) == 0


@pytest.mark.parametrize("order", [1, -1])
def test_at_a_tie_withdrawn_wins(order):
    lines = [line(Scope.DEVICE, GRANTED), line(Scope.DEVICE, WITHDRAWN)][::order]
    assert consent.allowed(lines, {}) == 0


def test_a_new_wording_ends_older_yeses_but_no_noes():
    assert consent.allowed([line(Scope.DEVICE, GRANTED, version=1)], {2: 2}) == 0
    assert consent.allowed([line(Scope.DEVICE, GRANTED, version=2)], {2: 2}) == 4
    assert consent.allowed([line(Scope.DEVICE, WITHDRAWN), line(Scope.CONTACT, GRANTED, version=2)], {2: 2}) == 0


# --- the SQL form against the pure function -----------------------------------------------------------------------


@dataclass
class World:
    """One Site with two people, three browsers and three purposes, and the acts that can happen to them."""

    site: Site = field(default_factory=new_site)
    step: int = 0

    def __post_init__(self):
        self.start = timezone.now()
        self.contacts = [new_contact(self.site) for _ in range(2)]
        self.devices = [new_device(self.site) for _ in range(3)]
        self.purposes = list(self.site.purposes.order_by("bit")[:3])

    @property
    def now(self) -> datetime:
        self.step += 1
        return self.start + timedelta(seconds=self.step // 3)  # three acts happen at the same instant

    def decide(self, scope, who, which, decision, version, ago):
        subjects = self.devices if scope == Scope.DEVICE else self.contacts
        now = self.now
        ledger.record([self.decided(scope, subjects[who % len(subjects)].id, which, decision, version, now, ago)], now)

    def decide_everywhere(self, who, which, decision, version):
        now = self.now
        device = Device.objects.get(id=self.devices[who].id)
        subjects = [(Scope.DEVICE, device.id)]
        if device.contact_id:
            subjects.append((Scope.CONTACT, device.contact_id))
        ledger.record([self.decided(*one, which, decision, version, now, 0) for one in subjects], now)

    def decided(self, scope, subject, which, decision, version, now, ago):
        wordings = list(Wording.objects.filter(purpose=self.purposes[which]).order_by("version"))
        return Decided(
            site_id=self.site.id,
            scope=scope,
            subject_id=subject,
            purpose_id=self.purposes[which].id,
            decision=decision,
            source="test",
            wording_id=wordings[version % len(wordings)].id,
            claimed_at=now - timedelta(seconds=ago),
        )

    def link(self, who, whom):
        device, contact = self.devices[who], self.contacts[whom]
        if links.obstacle(device.id, contact.id) is None:
            links.cut([device.id], self.now)
            links.link(device.id, contact.id)

    def log_out(self, who):
        links.cut([self.devices[who].id], self.now)

    def reword(self, which, ends_older):
        purposes.add_wording(self.purposes[which], {"en": "Anew."}, self.now, ends_older=ends_older)

    def expected(self, device: Device) -> int:
        """What the pure function says of the ledger's lines of this browser and of whom it is linked to."""
        bits = dict(self.site.purposes.values_list("id", "bit"))
        versions = dict(Wording.objects.values_list("id", "version"))
        found = [
            Line(
                Scope(row.scope),
                bits[row.purpose_id],
                Decision(row.decision),
                versions.get(row.wording_id, consent.NO_WORDING),
                row.claimed_at,
                row.recorded_at,
            )
            for row in ConsentRecord.objects.filter(site_id=self.site.id).order_by("id")
            if (row.scope, row.subject_id) in ((Scope.DEVICE, device.id), (Scope.CONTACT, device.contact_id))
        ]
        ended: dict[int, int] = {}
        for wording in Wording.objects.filter(purpose__site=self.site, ends_older=True):
            bit = bits[wording.purpose_id]
            ended[bit] = max(ended.get(bit, 0), wording.version)
        return consent.allowed(found, ended)

    def check(self) -> None:
        for device in Device.objects.filter(site=self.site):
            assert device.allowed == self.expected(device)
            if device.contact_id:
                assert links.obstacle(device.id, device.contact_id) is None
        assert not reconciling.differences()


few = st.integers(0, 2)
acts = st.one_of(
    st.tuples(st.just("decide"), st.sampled_from(Scope), few, few, st.sampled_from(Decision), few, st.integers(0, 4)),
    st.tuples(st.just("decide_everywhere"), few, few, st.sampled_from(Decision), few),
    st.tuples(st.just("link"), few, st.integers(0, 1)),
    st.tuples(st.just("log_out"), few),
    st.tuples(st.just("reword"), few, st.booleans()),
)
# Histories in which links come about at once, so that most examples have some to cut.
linked = st.just([("decide", Scope.DEVICE, n, 0, GRANTED, 2, 0) for n in range(3)] + [("link", n, 0) for n in range(3)])
histories = st.builds(lambda a, b: a + b, st.one_of(st.just([]), linked), st.lists(acts, max_size=12))


# In a database of its own: it reads whole tables again and again, where other tests have left what nobody sees.
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=histories)
def test_bits_and_links_follow_from_the_ledger_after_every_act(fresh_database, history):
    world = World()
    for name, *given_values in history:
        before = {device.id: (device.contact_id, device.allowed) for device in world.site.devices.all()}
        getattr(world, name)(*given_values)
        world.check()
        for device in world.site.devices.all():
            contact_id, allowed = before[device.id]
            if contact_id and device.contact_id != contact_id:
                assert not device.allowed & ~allowed, "unlinking revived a yes"


def test_a_yes_needs_a_wording_of_its_purpose(site, purpose, now):
    device = new_device(site)
    offers, orders = purpose("offers"), purpose("order_updates")
    sound = Decided(site.id, Scope.DEVICE, device.id, offers.id, GRANTED, "test", wording_of(offers).id)
    wrong = [
        Decided(site.id, Scope.DEVICE, device.id, offers.id, GRANTED, "test"),
        Decided(site.id, Scope.DEVICE, device.id, offers.id, GRANTED, "test", wording_of(orders).id),
        Decided(new_site().id, Scope.DEVICE, device.id, offers.id, GRANTED, "test", wording_of(offers).id),
    ]
    for one in wrong:
        with pytest.raises(ValueError, match=r"wording|purpose"):
            ledger.record([sound, one], now)
    assert not ConsentRecord.objects.filter(site_id=site.id).exists()
    ledger.record([sound], now)
    device.refresh_from_db()
    assert device.allowed == 1 << offers.bit


def test_a_crm_no_to_personal_data_unlinks_every_browser_and_takes_the_other_noes_along(site, purpose, now):
    contact: Contact = new_contact(site)
    devices = [new_device(site) for _ in range(2)]
    personal, offers = purpose("personal_data"), purpose("offers")

    def say(scope, subject, about: Purpose, decision):
        ledger.record([Decided(site.id, scope, subject, about.id, decision, "test", wording_of(about).id)], now)

    for device in devices:
        say(Scope.DEVICE, device.id, personal, GRANTED)
        say(Scope.DEVICE, device.id, offers, GRANTED)
        links.link(device.id, contact.id)
    say(Scope.CONTACT, contact.id, offers, WITHDRAWN)
    say(Scope.CONTACT, contact.id, personal, WITHDRAWN)
    for device in devices:
        device.refresh_from_db()
        assert device.contact_id is None
        assert device.allowed == 1 << personal.bit
        assert ledger.state(Scope.DEVICE, device.id) == {"personal_data": "granted", "offers": "withdrawn"}
        assert links.obstacle(device.id, contact.id) == "personal_data_withdrawn"


def test_a_site_has_at_most_62_purposes(site, now):
    for number in range(site.purposes.count(), purposes.MOST):
        purposes.add(site, f"purpose_{number}", "service", "One of many", {"en": "Yes."})
    with pytest.raises(purposes.Invalid) as refused:
        purposes.add(site, "one_too_many", "service", "Too many", {"en": "Yes."})
    assert refused.value.errors[0].code == "too_many_purposes"
    highest = site.purposes.get(bit=61)
    device = new_device(site)
    decided = Decided(site.id, Scope.DEVICE, device.id, highest.id, GRANTED, "test", wording_of(highest).id)
    ledger.record([decided], now)
    device.refresh_from_db()
    assert device.allowed == 1 << 61


def test_a_yes_to_a_newer_wording_at_the_same_instant_counts(site, purpose, now):
    device, offers = new_device(site), purpose("offers")
    old = wording_of(offers)
    purposes.add_wording(offers, {"en": "Anew."}, now, ends_older=True)
    for wording in (old, wording_of(offers)):
        ledger.record([Decided(site.id, Scope.DEVICE, device.id, offers.id, GRANTED, "test", wording.id)], now)
    device.refresh_from_db()
    assert device.allowed == 1 << offers.bit


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("at_once", [True, False])
def test_at_a_tie_withdrawn_wins_in_the_database_too(site, purpose, now, order, at_once):
    device, offers = new_device(site), purpose("offers")
    wording = wording_of(offers).id
    lines = [
        Decided(site.id, Scope.DEVICE, device.id, offers.id, decision, "test", wording)
        for decision in (GRANTED, WITHDRAWN)[::order]
    ]
    for part in [lines] if at_once else [[one] for one in lines]:
        ledger.record(part, now)
    assert ledger.state(Scope.DEVICE, device.id) == {"offers": "withdrawn"}
    assert ConsentRecord.objects.filter(scope=Scope.DEVICE, subject_id=device.id).count() == 2
