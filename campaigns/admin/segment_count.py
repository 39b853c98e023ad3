"""How many a rule matches while it is being written, and who, for example."""

from typing import Any

from django.db import connection

from campaigns.admin.contact_names import name_of
from pushplatform.sites.models import Site
from subscribers.models import Contact, Device, Purpose
from subscribers.segments import Rule, compile_rule, describe

EXAMPLES = 5
FIGURES = ("everyone", "matched", "consenting", "active", "people")


def count(site: Site, rule: Rule, purpose: Purpose | None) -> dict[str, Any]:
    """Devices after each step and the people behind the last, the rule in words, and some contacts it matches.

    Without a purpose, consent to none is asked.
    """
    tables, table_parameters, condition, parameters = compile_rule(rule)
    bit = 1 << purpose.bit if purpose else None
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select count(*), count(*) filter (where m), count(*) filter (where m and consents),
                       count(*) filter (where m and consents and active),
                       count(distinct who) filter (where m and consents and active)
                from (select ({condition}) is true m, {"d.allowed & %s <> 0" if bit else "true"} consents,
                             d.status = {Device.Status.ACTIVE:d} active, coalesce(d.contact_id, -d.id) who
                      from device d {tables}
                      where d.site_id = %s and d.status < {Device.Status.REPLACED:d}) x""",
            [*parameters, *([bit] if bit else []), *table_parameters, site.pk],
        )
        figures = dict(zip(FIGURES, cursor.fetchone(), strict=True))
        cursor.execute(
            f"""select distinct d.contact_id from (
                    select d.contact_id from device d {tables}
                    where d.site_id = %s and d.status = {Device.Status.ACTIVE:d} and d.contact_id is not null
                      and ({condition}) limit {EXAMPLES * 4}) d limit {EXAMPLES}""",
            [*table_parameters, site.pk, *parameters],
        )
        contacts = Contact.objects.in_bulk([row[0] for row in cursor.fetchall()])
    examples = [{"id": one.pk, "name": name_of(one) or "", "crm": one.external_id} for one in contacts.values()]
    return figures | {"words": describe(rule), "examples": examples, "purpose": purpose.title if purpose else None}
