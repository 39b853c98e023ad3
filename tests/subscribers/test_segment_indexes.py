"""Indexes of attributes that a Site marks filterable: built beside everybody's work, used, and dropped again."""

from __future__ import annotations

import pytest
from django.db import connection

from campaigns.segment_fields import parse
from subscribers import segments
from subscribers.models import Attribute
from subscribers.segments import indexing
from tests.subscribers.people import new_site


@pytest.mark.parametrize(
    ("key", "type_", "op", "value"),
    [("ltv", "number", "gt", 5), ("it's", "date", "between", ["2026-01-01", "2026-02-01"])],
)
def test_a_filterable_attribute_has_an_index_that_segments_use(
    fresh_database: str, key: str, type_: str, op: str, value: object
) -> None:
    site = new_site()
    attribute = Attribute.objects.create(site=site, key=key, type=type_, filterable=True)
    name = indexing.index_name(key, type_)
    assert indexing.bring_up_to_date() == ([name], [])
    assert indexing.bring_up_to_date() == ([], [])
    rule = parse({"field": f"contact.attributes.{key}", "op": op, "value": value}, site.pk)
    compiled = segments.compile_rule(rule)
    with connection.cursor() as cursor:
        cursor.execute("set enable_seqscan = off")
        cursor.execute(f"explain select c.id from contact c where {compiled.condition}", compiled.parameters)
        assert name in "\n".join(row[0] for row in cursor.fetchall())
    attribute.filterable = False
    attribute.save()
    assert indexing.bring_up_to_date() == ([], [name])
