from datetime import UTC, datetime

import pytest
from django.db import connection

from campaigns.models import Delivery, Message
from pushplatform.partitions import BY_MESSAGE, BY_TIME, first_message_id, make_partitions

pytestmark = pytest.mark.django_db


def partitions_of(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass", [table])
        return {name for (name,) in cursor.fetchall()}


def test_a_later_month_gets_its_partitions_once():
    with connection.cursor() as cursor:
        made = make_partitions(cursor, datetime(2031, 11, 30, 23, 59, tzinfo=UTC))
        again = make_partitions(cursor, datetime(2031, 11, 1, tzinfo=UTC))
    assert again == []
    assert {f"{table}_{month}" for table in BY_TIME + BY_MESSAGE for month in ("2031_11", "2031_12", "2032_02")} <= set(
        made
    )


def test_a_fact_lands_in_the_month_its_message_was_made():
    with connection.cursor() as cursor:
        make_partitions(cursor, datetime(2031, 1, 15, tzinfo=UTC))
        last_of_january = first_message_id(datetime(2031, 2, 1, tzinfo=UTC)) - 1
        for message_id in (last_of_january, last_of_january + 1):
            Delivery.objects.create(message_id=message_id, device_id=1, status=1, service=1, at=datetime.now(UTC))
        cursor.execute(
            "select tableoid::regclass::text from delivery where message_id >= %s order by message_id",
            [last_of_january],
        )
        assert [name for (name,) in cursor.fetchall()] == ["delivery_2031_01", "delivery_2031_02"]


def test_message_ids_follow_the_clock():
    with connection.cursor() as cursor:
        before = first_message_id(datetime.now(UTC))
        cursor.execute("select next_message_id(), next_message_id()")
        one, two = cursor.fetchone()
    assert before - (5000 << 20) < one < two < before + (60_000 << 20)
    assert Message._meta.pk.name == "id"
