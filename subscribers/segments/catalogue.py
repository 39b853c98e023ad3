"""The fields of devices and contacts. To add one: a line here; segments, pages and descriptions then know it."""

from dataclasses import replace
from typing import Final

from subscribers.segments import values
from subscribers.segments.attributes import ATTRIBUTES
from subscribers.segments.consents import CONSENT
from subscribers.segments.events import EVENT
from subscribers.segments.fields import Catalogue, Field, Sql
from subscribers.segments.lists import CONTACT_LIST
from subscribers.segments.operators import Operators, boolean, choice, language, number, tags, text, time
from subscribers.user_agent import BROWSERS, FORMS, SYSTEMS

CALLED: Final = {
    "ios": "iOS", "macos": "macOS", "chromeos": "ChromeOS", "desktop": "Computer", "mobile": "Phone",
    "samsung": "Samsung Internet",
}  # fmt: skip
"""What browsers, systems and forms are called where a capital letter does not do."""


def _choices(words: tuple[str, ...]) -> dict[str, str]:
    return {word: CALLED.get(word, word.capitalize()) for word in words}


# Versions are texts such as 128 or 17.4: compared by their first number.
# Trimming costs a fifth of what a regular expression does.
_DIGITS: Final = "length(d.browser_version) - length(ltrim(d.browser_version, '0123456789'))"
_VERSION: Final = f"nullif(left(d.browser_version, least(6, {_DIGITS})), '')::int"


# The names of the lists that a person stands in, for explanations.
_LISTS: Final = """(select jsonb_agg(l.name order by l.name) from contact_list_member m
    join contact_list l on l.id = m.list_id where m.contact_id = d.contact_id)"""


def _field(name: str, title: str, found: str, operators_: Operators, group: str, *, suggests: bool = False) -> Field:
    return Field(name, title, operators_, Sql(found), group, suggests)


def _contact(name: str, title: str, column: str, operators_: Operators, *, suggests: bool = False) -> Field:
    return _field(f"contact.{name}", title, f"c.{column}", operators_, "Contact", suggests=suggests)


def _device(name: str, title: str, column: str, operators_: Operators, *, suggests: bool = False) -> Field:
    return _field(f"device.{name}", title, f"d.{column}", operators_, "Device", suggests=suggests)


FIELDS: Final = (
    _contact("external_id", "CRM id", "external_id", text("c.external_id")),
    _contact("tags", "tags", "tags", tags("c.tags"), suggests=True),
    _contact("language", "person's language", "language", language("c.language"), suggests=True),
    _contact("time_zone", "person's time zone", "time_zone", text("c.time_zone"), suggests=True),
    _contact("owner", "owner", "owner", text("c.owner"), suggests=True),
    _contact("created", "added", "created_at", time("c.created_at")),
    replace(CONTACT_LIST, found=Sql(_LISTS)),
    _device("browser", "browser", "browser", choice("d.browser", _choices(BROWSERS)), suggests=True),
    _device("browser_version", "browser's version", "browser_version", number(_VERSION), suggests=True),
    _device("os", "system", "os", choice("d.os", _choices(SYSTEMS)), suggests=True),
    _device("form", "kind of device", "form", choice("d.form", _choices(FORMS)), suggests=True),
    _device("language", "browser's language", "language", language("d.language"), suggests=True),
    _device("time_zone", "browser's time zone", "time_zone", text("d.time_zone"), suggests=True),
    _device("country", "country", "country", text("d.country", values.country), suggests=True),
    _device("tags", "browser's tags", "tags", tags("d.tags"), suggests=True),
    _device("last_seen", "last seen", "last_seen_at", time("d.last_seen_at")),
    _device("subscribed_at", "subscribed", "subscribed_at", time("d.subscribed_at")),
    _field("device.page", "page of subscription", "u.page", text("u.page"), "Device", suggests=True),
    _device("subscribed", "subscription", "status = 1", boolean("d.status = 1", "is active", "is not active")),
    _device(
        "identified",
        "link to a CRM id",
        "contact_id is not null",
        boolean("d.contact_id is not null", "exists", "does not exist"),
    ),
    EVENT,
)

DEVICE_AND_CONTACT_FIELDS: Final = Catalogue({field.name: field for field in FIELDS}, (ATTRIBUTES, CONSENT))
