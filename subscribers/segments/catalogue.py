"""The fields of devices and contacts. To add one: a line here; segments, pages and descriptions then know it."""

from datetime import datetime

from subscribers.segments import values
from subscribers.segments.attributes import ATTRIBUTES
from subscribers.segments.fields import Catalogue, Family, Field, Operator, Sql, Surroundings
from subscribers.segments.operators import Operators, boolean, choice, language, negated, tags, text, time
from subscribers.segments.values import one
from subscribers.user_agent import BROWSERS, FORMS, SYSTEMS


def _consent(bit: int) -> Operators:
    def allowed(value: bool, now: datetime) -> Sql:
        return Sql("d.allowed & %s " + ("<> 0" if value else "= 0"), (1 << bit,))

    def say(value: bool) -> str:
        return "was given" if value else "was not given"

    return {
        "eq": Operator(one(values.boolean), allowed, say),
        "ne": Operator(one(values.boolean), negated(allowed), lambda value: say(not value)),
    }


def _purpose(key: str, surroundings: Surroundings) -> Field | None:
    purpose = surroundings.purposes.get(key)
    return purpose and Field(f"consent.{key}", f"consent to {purpose.title}", _consent(purpose.bit))


CONSENT = Family("consent.", "purpose", _purpose, lambda surroundings: surroundings.purposes)

FIELDS = (
    Field("contact.external_id", "CRM id", text("c.external_id")),
    Field("contact.tags", "tags", tags("c.tags")),
    Field("contact.language", "person's language", language("c.language")),
    Field("contact.time_zone", "person's time zone", text("c.time_zone")),
    Field("contact.owner", "owner", text("c.owner")),
    Field("device.browser", "browser", choice("d.browser", BROWSERS)),
    Field("device.os", "system", choice("d.os", SYSTEMS)),
    Field("device.form", "kind of device", choice("d.form", FORMS)),
    Field("device.language", "browser's language", language("d.language")),
    Field("device.time_zone", "browser's time zone", text("d.time_zone")),
    Field("device.country", "country", text("d.country", values.country)),
    Field("device.tags", "browser's tags", tags("d.tags")),
    Field("device.last_seen", "last seen", time("d.last_seen_at")),
    Field("device.subscribed_at", "subscribed", time("d.subscribed_at")),
    Field("device.subscribed", "subscription", boolean("d.status = 1", "is active", "is not active")),
    Field("device.identified", "link to a CRM id", boolean("d.contact_id is not null", "exists", "does not exist")),
)

DEVICE_AND_CONTACT_FIELDS = Catalogue({field.name: field for field in FIELDS}, (ATTRIBUTES, CONSENT))
