"""What an audience comes to: device rules, samples, patience, and what is frozen of it."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from campaigns import audience, saved_segments
from campaigns.audience import Audience
from campaigns.device_choice import DeviceChoice
from campaigns.models import Campaign, CampaignSegment
from campaigns.previewing import Preview, glance, preview, rounded
from campaigns.statement_limits import Superseded, TimedOut, end, limited, lock_of
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.errors import Conflict, Invalid
from subscribers.models import Behaviour, Device, DeviceStats, Segment
from subscribers.segments import DefinitionError
from tests.campaigns.shop import new_contact, new_device, new_site

EVERYONE: dict[str, Any] = {"all": []}
OFFERS = 4


@pytest.fixture
def site(db: None) -> Site:
    return new_site()


def of(site: Site, devices: Any = "all", definition: Any = EVERYONE, **members: Any) -> Audience:
    return Audience(site.pk, 2, (definition,), (), devices, **members)


def chosen(audience_: Audience) -> set[int]:
    query, params = audience_.selection()
    with connection.cursor() as cursor:
        cursor.execute(
            f"with t as (select * from ({query}) m where {audience.CHOSEN}) {audience_.choice.chosen('t')}", params
        )
        return {row[0] for row in cursor.fetchall()}


def test_a_device_rule_chooses_among_the_devices_that_may_be_sent_to(site: Site) -> None:
    person = new_contact(site)
    given = {"contact": person, "allowed": OFFERS}
    old = new_device(site, **given, form="desktop", browser="firefox", last_seen_at="2026-01-01T00:00:00Z")
    new = new_device(site, **given, form="mobile", browser="chrome", last_seen_at="2026-02-01T00:00:00Z")
    new_device(site, contact=person, last_seen_at="2026-03-01T00:00:00Z")  # agreed to nothing
    alone = [new_device(site, allowed=OFFERS, form="desktop", browser="firefox") for _ in range(2)]
    DeviceStats.objects.create(device_id=old.pk, clicked=2, shown=2)
    DeviceStats.objects.create(device_id=new.pk, clicked=1, shown=9)
    unlinked = {one.pk for one in alone}
    assert chosen(of(site)) == {old.pk, new.pk} | unlinked
    assert chosen(of(site, "latest")) == {new.pk} | unlinked
    assert chosen(of(site, "most_engaged")) == {old.pk} | unlinked
    assert chosen(of(site, {"form": ["mobile"], "browser": ["chrome", "edge"]})) == {new.pk}
    for rule in ("all", "latest", "most_engaged", {"form": ["mobile"]}):
        found = preview(of(site, rule)).waterfall
        assert found is not None
        assert found.after_device_choice == len(chosen(of(site, rule)))
        assert (found.after_exclusions, found.people) == (4, 1 if isinstance(rule, dict) else 3)


@pytest.mark.parametrize("rule", ["best", None, {}, {"form": []}, {"form": "desktop"}, {"os": ["linux"]}, ["all"]])
def test_a_device_rule_that_is_none_is_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        DeviceChoice.of(rule)


@pytest.mark.parametrize("rule", ["all", "latest", "most_engaged"])
def test_what_cannot_be_counted_in_time_is_estimated_with_its_error(
    site: Site, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    people = [new_contact(site) for _ in range(300)]
    Device.objects.bulk_create(
        Device(
            site=site, contact=people[number // 3 % 300], allowed=OFFERS, service=6, vapid_key=site.vapid_keys.first(),
            subscribed_at="2026-01-01T00:00:00Z", last_seen_at="2026-01-01T00:00:00Z",
        )
        for number in range(900)
    )  # fmt: skip
    # A sample of everything is exact, whatever the device rule: every chosen device and person is counted once.
    _know_how_many()
    _be_patient(monkeypatch)
    slow = _slow(monkeypatch)
    found = slow(of(site, rule))
    assert (found.waterfall, found.error, found.exact) == (audience.count_audience(of(site, rule)), 0.0, False)
    assert glance(of(site, rule)) == Preview(None)  # who are so few are counted as soon
    for name in ("SAMPLED", "GLANCED"):
        monkeypatch.setattr(f"campaigns.previewing.{name}", 450)
    monkeypatch.setattr("campaigns.previewing._random", lambda: random.Random(7))
    assert glance(of(site, rule)) == slow(of(site, rule))
    monkeypatch.setattr("campaigns.previewing.FEWEST_HITS", 10_000)
    few = slow(of(site, rule))
    assert (few.words, few.waterfall) == ("few", None)
    assert few.below is not None
    assert few.below > audience.count_audience(of(site, rule)).after_device_choice


def test_hardly_an_estimate_is_further_off_than_it_says(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site = new_site()
    people = [new_contact(site) for _ in range(200)]
    given: dict[str, Any] = {
        "site": site, "allowed": OFFERS, "service": 6, "vapid_key": site.vapid_keys.first(),
        "subscribed_at": "2026-01-01T00:00:00Z", "last_seen_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    # Alike where they came together, some people with several browsers, and a gap in the ids.
    devices = Device.objects.bulk_create(
        Device(**given, contact=people[no % 200] if no % 3 else None, form=("desktop", "mobile")[no // 40 % 2])
        for no in range(3_000)
    )
    Device.objects.filter(pk__gte=devices[1_000].pk, pk__lt=devices[1_500].pk).delete()
    _know_how_many()
    _be_patient(monkeypatch)
    for name, number in {"GLANCED": 800, "RUN": 4, "FEWEST_HITS": 1}.items():  # as many runs as of a million devices
        monkeypatch.setattr(f"campaigns.previewing.{name}", number)
    dice = random.Random(1)
    monkeypatch.setattr("campaigns.previewing._random", lambda: dice)
    for definition in (EVERYONE, {"field": "device.form", "op": "eq", "value": "mobile"}):
        exact = audience.count_audience(of(site, definition=definition))
        found = [glance(of(site, definition=definition)) for _ in range(50)]
        for name in ("after_device_choice", "people"):
            true, said = getattr(exact, name), [(getattr(one.waterfall, name), one.error or 0.0) for one in found]
            assert sum(abs(number - true) <= error * true for number, error in said) >= 45
            assert abs(sum(number for number, _ in said) / len(said) - true) < 0.03 * true


def _know_how_many() -> None:
    with connection.cursor() as cursor:
        cursor.execute("analyze device")


def _be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample that takes too long on a busy machine says nothing."""
    for name in ("SAMPLE_MS", "GLANCE_MS"):
        monkeypatch.setattr(f"campaigns.previewing.{name}", 60_000)


CLICKED: dict[str, Any] = {"field": "engagement.clicked", "op": "within", "value": "30d"}
BOUGHT: dict[str, Any] = {"field": "event", "name": "bought", "op": "gte", "value": 1, "within": "30d"}
TWICE: dict[str, Any] = {"field": "engagement.sent_count", "op": "gte", "value": 11, "within": "30d"}
SEEN: dict[str, Any] = {"field": "device.last_seen", "op": "within", "value": "30d"}


@pytest.mark.parametrize(
    "definition",
    [
        CLICKED, {"not": CLICKED}, {"any": [CLICKED, SEEN]}, {"all": [SEEN, {"not": CLICKED}, CLICKED]},
        BOUGHT, {"not": BOUGHT}, {"not": TWICE}, {"all": [{"not": CLICKED}, {"not": BOUGHT}, {"not": TWICE}]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("excluded", [False, True])
def test_a_range_of_devices_is_asked_as_all_of_them_are(site: Site, definition: Any, *, excluded: bool) -> None:
    now = timezone.now()
    devices = [new_device(site, allowed=OFFERS | 2, last_seen_at=now) for _ in range(6)]
    for device in devices[::2]:
        DeviceStats.objects.create(device_id=device.pk, clicked=1, last_clicked_at=now)
    for device in devices[::3]:
        Behaviour.objects.create(
            site_id=site.pk, device_id=device.pk, name="bought", properties={}, occurred_at=now, key=str(device.pk)
        )
    segments = ((EVERYONE,), (definition,)) if excluded else ((definition,), ())
    asked = Audience(site.pk, 2, *segments)
    ids = [devices[1].pk, devices[3].pk]
    narrow = asked.compiled().query("d.id between %s and %s", ids, narrow="between %s and %s", narrow_params=ids)
    found = []
    with connection.cursor() as cursor:
        for query, params in (narrow, asked.selection()):
            cursor.execute(f"select id from ({query}) m where {audience.CHOSEN} order by id", params)
            found.append({row[0] for row in cursor.fetchall()})
    assert found[0] == {id_ for id_ in found[1] if ids[0] <= id_ <= ids[1]}
    assert audience.count_audience(asked).after_device_choice == len(found[1])


def _slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`preview` for which every exact count takes too long."""

    def slow(audience_: Audience) -> Any:
        with monkeypatch.context() as slowed:
            slowed.setattr(audience.Selection, "counting", lambda self: ("select pg_sleep(9)", []))
            return preview(audience_, patience_ms=30)

    return slow


def test_an_estimate_says_how_far_off_it_may_be() -> None:
    assert [rounded(number) for number in (7, 61_234, 1_250_000)] == [7, 61_000, 1_200_000]


def test_a_newer_query_of_the_same_person_ends_the_older_one(fresh_database: str) -> None:
    ended: list[str] = []
    begun = threading.Event()

    def wait() -> None:
        try:
            with transaction.atomic(), limited(20_000, "kate"), connection.cursor() as cursor:
                begun.set()
                cursor.execute("select pg_sleep(20)")
        except Superseded:
            ended.append("superseded")
        finally:
            connections.close_all()

    thread = threading.Thread(target=wait)
    thread.start()
    begun.wait(10)
    assert end("tom") == 0
    while thread.is_alive():
        end("kate")
        thread.join(0.05)
    assert ended == ["superseded"]


def test_a_query_that_is_over_takes_the_cancellation_on_its_way_along(fresh_database: str) -> None:
    came_out: list[Any] = []
    pid: list[int] = []
    counted, cancelling = threading.Event(), threading.Event()

    def count_and_go_on() -> None:
        try:
            with transaction.atomic(), limited(20_000, "kate"), connection.cursor() as cursor:
                cursor.execute("select pg_backend_pid()")
                pid.append(cursor.fetchone()[0])
                counted.set()
                cancelling.wait(10)
        except Superseded:
            came_out.append("superseded")
        with connection.cursor() as cursor:
            cursor.execute("select 'next', pg_sleep(0.5)")
            came_out.append(cursor.fetchone()[0])
        connections.close_all()

    thread = threading.Thread(target=count_and_go_on)
    thread.start()
    assert counted.wait(10)
    with transaction.atomic(), connection.cursor() as cursor:
        # As `end` does it, had it found the query still running.
        cursor.execute("select pg_advisory_xact_lock(%s)", [lock_of("kate")])
        cancelling.set()
        busy = False
        while not busy:  # either it waits for the lock, or it has gone on to its next statement
            cursor.execute("select pg_stat_clear_snapshot()")
            cursor.execute(
                "select wait_event_type is not distinct from 'Lock' or query like '%%next%%'"
                " from pg_stat_activity where pid = %s and state = 'active'",
                pid,
            )
            busy = (cursor.fetchone() or (False,))[0]
        cursor.execute("select pg_cancel_backend(%s)", pid)
    thread.join(10)
    assert came_out == ["superseded", "next"]


def test_a_query_that_takes_too_long_is_ended_and_leaves_no_limit_behind(site: Site) -> None:
    with pytest.raises(TimedOut), transaction.atomic(), limited(20), connection.cursor() as cursor:
        cursor.execute("select pg_sleep(5)")
    with connection.cursor() as cursor:
        cursor.execute("show statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_a_segment_in_a_segment_is_kept_as_it_was(site: Site) -> None:
    fox = Segment.objects.create(
        site=site, name="Fox", definition={"field": "device.browser", "op": "eq", "value": "firefox"}
    )
    outer = Segment.objects.create(site=site, name="Outer", definition={"segment": public_ids.encode("seg", fox.pk)})
    firefox = new_device(site, browser="firefox", allowed=OFFERS)
    new_device(site, browser="chrome", allowed=OFFERS)
    who = Audience.of(site.pk, [outer.pk], [], site.purposes.get(key="offers"), "all")
    Segment.objects.filter(pk=fox.pk).update(definition=EVERYONE)
    assert chosen(who) == {firefox.pk}
    fox.delete()
    assert chosen(who) == {firefox.pk}
    assert who.as_json()["saved"] != {}
    with pytest.raises(DefinitionError):
        Audience.of(site.pk, [outer.pk], [], site.purposes.get(key="offers"), "all")


def test_a_segment_is_saved_copied_and_deleted_only_where_nothing_uses_it(site: Site) -> None:
    segment = saved_segments.save(Segment(site=site, name=" Everyone ", definition=EVERYONE))
    copies = [saved_segments.duplicate(segment).name for _ in range(2)]
    assert [segment.name, *copies] == ["Everyone", "Everyone (copy)", "Everyone (copy 2)"]
    with pytest.raises(Invalid) as refused:
        saved_segments.save(Segment(site=site, name="Everyone", definition={"any": [{"field": "x"}]}))
    assert [fault.pointer for fault in refused.value.errors] == ["/name", "/definition/any/0/field"]
    campaign = Campaign.objects.create(site=site, name="Spring", purpose=site.purposes.get(key="offers"))
    CampaignSegment.objects.create(campaign=campaign, segment=segment)
    assert saved_segments.used_by(segment) == ([campaign], [])
    with pytest.raises(Conflict, match="Spring"):
        saved_segments.delete(segment)


def test_sizes_are_noted_once_a_day_and_broken_segments_left_out(site: Site) -> None:
    now = timezone.now()
    new_device(site)
    segment = Segment.objects.create(site=site, name="Everyone", definition=EVERYONE)
    Segment.objects.create(site=site, name="Broken", definition={"field": "device.shoe"})
    assert saved_segments.measure_sizes(now) == 1
    new_device(site)
    assert saved_segments.measure_sizes(now) == 1
    assert list(segment.sizes.values_list("devices", "people")) == [(2, 2)]


def test_members_are_listed_without_formulas_for_spreadsheets(site: Site) -> None:
    device = new_device(site, contact=new_contact(site, external_id='=cmd|"/C calc"!A0'))
    segment = Segment.objects.create(site=site, name="Everyone", definition=EVERYONE)
    ((public_id, external_id, *_),) = saved_segments.members(segment)
    assert (public_id, external_id) == (public_ids.encode("dev", device.pk), '\'=cmd|"/C calc"!A0')
