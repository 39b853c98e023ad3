"""Counts by sets of bits are those of the joined rows, whatever is asked; and they are used where they pay off."""

from django.db import connection
from django.db.models import F
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from campaigns.audience import Audience, count_audience, waterfall_of
from campaigns.device_choice import PICKS
from subscribers import segments
from subscribers.models import Device
from tests.subscribers.people import new_device
from tests.subscribers.random_segments import People, definitions_over

CHOICES = (*PICKS, {"form": ["desktop"]}, {"browser": ["firefox", "chrome"]})


def test_each_step_counts_the_rows_that_are_left(site) -> None:
    people = People(site)
    definitions = st.lists(definitions_over(people), min_size=1, max_size=2).map(tuple)

    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(definitions, st.lists(definitions_over(people), max_size=1).map(tuple), st.sampled_from(CHOICES), st.data())
    def check(include, exclude, choice, data) -> None:
        bit = data.draw(st.sampled_from([None, 2]))
        audience = Audience(site.pk, bit, include, exclude, choice, people.now)
        try:
            counts = [counted(audience, by_sets=by_sets) for by_sets in (False, True)]
        except segments.DefinitionError as refused:
            assert {fault.code for fault in refused.errors} == {"too_deep"}  # noqa: PT017  (rare, and right)
            return
        assert counts == [plainly(audience)] * 2, audience

    check()


def counted(audience: Audience, *, by_sets: bool) -> tuple[int, ...]:
    query, params = audience.compiled(by_sets=by_sets).counting()
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return waterfall_of(cursor.fetchone(), audience.choice)


def plainly(audience: Audience) -> tuple[int, ...]:
    """The waterfall from the rows of the selection."""
    query, params = audience.selection()
    with connection.cursor() as cursor:
        cursor.execute(f"select cid, consents, active, excluded, fits from ({query}) m", params)
        rows = cursor.fetchall()
    left = [rows, [row for row in rows if row[1]]]
    left.append([row for row in left[-1] if row[2]])
    left.append([row for row in left[-1] if not row[3]])
    fitting = [row for row in left[-1] if row[4]]
    persons = len({row[0] for row in fitting} - {0}) + sum(row[0] == 0 for row in fitting)
    return (*map(len, left), persons if audience.choice.picks_one else len(fitting), persons)


def test_sets_are_made_for_a_site_that_has_a_good_part_of_all_devices(site, other_site) -> None:
    for _ in range(40):
        new_device(site)
    new_device(other_site)
    # Ids are given out once and for all: only what was made here counts.
    Device.objects.update(id=F("id") - Device.objects.order_by("id").values_list("id", flat=True)[0] + 1)
    with connection.cursor() as cursor:
        cursor.execute("analyze device")
    assert segments.sets_pay_off(site.pk)
    assert not segments.sets_pay_off(other_site.pk)
    everyone = Audience(site.pk, None, ({"all": []},), ())
    assert count_audience(everyone).matched == 40
