"""Runs a segment's SQL."""

from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.segment_fields import parse
from pushplatform.sites.models import Site
from subscribers import segments


def ids_of(definition: Any, site: Site, now: datetime | None = None) -> set[int]:
    """The devices of the Site that a definition matches."""
    return ids_of_rule(parse(definition, site.pk), site, now)


def ids_of_rule(rule: segments.Rule, site: Site, now: datetime | None = None) -> set[int]:
    tables, table_parameters, condition, parameters = segments.compile_rule(rule, now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select d.id from device d {tables} where d.site_id = %s and {condition}",
            [*table_parameters, site.pk, *parameters],
        )
        return {row[0] for row in cursor.fetchall()}


def ids_by_sets(rule: segments.Rule, site: Site, now: datetime | None = None) -> set[int]:
    """The same as counts find them."""
    compiler = segments.Compiler(now, by_sets=True)
    condition = compiler.settled(compiler.condition(rule))
    joins, sets = compiler.joins(), compiler.sets()
    with connection.cursor() as cursor:
        cursor.execute(
            f"{sets.text} select d.id from device d {joins.text} where d.site_id = %s and {condition.text}",
            [*sets.parameters, *joins.parameters, site.pk, *condition.parameters],
        )
        return {row[0] for row in cursor.fetchall()}
