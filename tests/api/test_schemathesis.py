"""Schemathesis makes up calls from the description as it is served, good and bad ones, and looks at the answers.

The description is open where answers may grow; here it is taken by its word: an answer with a member, a word or an
error code that it lacks fails, as does a 500.
"""

import json
import zlib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings

from campaigns import urls
from campaigns.description.everything import document_of
from campaigns.models import Campaign
from campaigns.views.root import version
from pushplatform.api.description.shapes import OPEN_WORDS
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import Device, Segment
from tests.api.over_http import Crm
from tests.campaigns.shop import new_person, new_site
from tests.parts.stack import Stack

Json = dict[str, Any]

SHORT: Final = 8
LONG: Final = 60
"""Made up for each operation, beside the boundaries of every member."""

KNOWN: Final[dict[str, list[str]]] = {}

NOT_MEANT: Final = [
    schemathesis.checks.positive_data_acceptance,  # a body that fits may still name a purpose that is not there
    schemathesis.checks.unsupported_method,  # 405 is described of every call; OPTIONS and TRACE are nobody's
]
BATCHES: Final = ("/contacts/batch", "/events")
"""What is wrong with one item is said in a 200. GET /contacts/batch is the contact whose id is `batch`."""
NOT_MEANT_OF_BATCHES: Final = [
    schemathesis.checks.negative_data_rejection, schemathesis.checks.allow_header_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def site(web: Stack) -> Site:
    """A Site in which there is something to find."""
    site = new_site()
    new_person(site, "CRM-42", "offers", "order_updates", "measurement", devices=2)
    new_person(site, "CRM-43", "offers")
    Segment.objects.create(site=site, name="Everyone", definition={"all": []})
    purpose = site.purposes.get(key="offers")
    Campaign.objects.create(site=site, name="Sale", purpose=purpose, content={"title": "Sale"})
    return site


@pytest.fixture(scope="module")
def crm(web: Stack, site: Site) -> Crm:
    return Crm(web.web_url, site)


@pytest.fixture(scope="module", autouse=True)
def known(crm: Crm, site: Site) -> Iterator[None]:
    """Values that lead somewhere, by the name of the member or parameter."""
    body = {"recipients": [{"external_id": "CRM-42"}], "purpose": "offers", "content": {"title": "Hello"}}
    sent = crm.post("messages", body, Idempotency_Key="first").json()["id"]
    segments = [public_ids.encode("seg", one.pk) for one in Segment.objects.filter(site=site)]
    devices = [public_ids.encode("dev", one.pk) for one in Device.objects.filter(site=site)]
    KNOWN.update(
        {
            "external_id": ["CRM-42", "CRM-43", "CRM-44"],
            "into": ["CRM-43", "CRM-42"],
            "device_id": devices,
            "ids": devices,
            "id": [sent, *segments],
            "purpose": ["offers", "order_updates", "measurement"],
            "campaign": [public_ids.encode("cmp", site.campaigns.get().pk)],
            "segment": segments,
            "segments": segments,
            "exclude": segments,
            "field": ["device.browser", "contact.attributes.plan", "engagement.clicked", "event", "device.last_seen"],
            "op": ["eq", "in", "within", "gte", "set"],
        }
    )
    yield
    KNOWN.clear()


def by_its_word(served: Json) -> Json:
    """The description without room for additions: answers have the members and words that it names, no others."""
    document = deepcopy(served)
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    _close(content["schema"])
    for name in document["components"]["schemas"].keys() - {"Rule"}:
        _close(document["components"]["schemas"][name])
    return document


def _close(shape: Any) -> None:
    if isinstance(shape, list):
        for one in shape:
            _close(one)
    elif isinstance(shape, dict):
        if OPEN_WORDS in shape:
            null = [None] if "null" in shape.get("type", ()) else []
            shape["enum"] = [*shape[OPEN_WORDS], *null]
        inner = [one for name, one in shape.items() if name not in ("example", "examples", "enum", OPEN_WORDS)]
        if "properties" in shape and "const" not in str(shape["properties"].get("status", "")):
            shape.setdefault("unevaluatedProperties", False)
        for one in inner:
            _close(one)


_SOME: Final = 3
"""Of four made up values so many become one that leads somewhere."""


def _led_somewhere(value: Any, name: str = "") -> Any:
    """The same with some texts replaced by known ones; the same value always by the same one."""
    if isinstance(value, dict):
        return {member: _led_somewhere(inner, member) for member, inner in value.items()}
    if isinstance(value, list):
        return [_led_somewhere(inner, name) for inner in value]
    if isinstance(value, str) and name in KNOWN and value:
        drawn = zlib.crc32(value.encode("utf-8", "surrogatepass"))
        if drawn % 4 < _SOME:
            return KNOWN[name][drawn // 4 % len(KNOWN[name])]
    return value


schema = schemathesis.openapi.from_dict(
    by_its_word(document_of(urls.api, version())),
    config=schemathesis.Config.from_dict({"generation": {"deterministic": True, "database": "none"}}),
)


BOUNDED: Final[Any] = {
    "derandomize": True, "database": None, "deadline": None, "suppress_health_check": list(HealthCheck),
}  # fmt: skip


def test_what_is_tried_is_what_is_served(web: Stack) -> None:
    served = requests.get(f"{web.web_url}/api/v1/openapi.json", timeout=30).text
    assert json.loads(served.replace(web.web_url, "http://localhost:8000")) == document_of(urls.api, version())


@schema.parametrize()
@settings(max_examples=SHORT, **BOUNDED)
def test_no_call_is_answered_with_a_500_or_with_what_the_description_lacks(case: Any, web: Stack, crm: Crm) -> None:
    call(case, web, crm)


@pytest.mark.soak
@schema.parametrize()
@settings(max_examples=LONG, **BOUNDED)
def test_nor_is_any_of_many_calls(case: Any, web: Stack, crm: Crm) -> None:
    call(case, web, crm)


def call(case: Any, web: Stack, crm: Crm) -> None:
    """Good calls are led to what is there; bad ones stay as bad as they were made."""
    if case.meta is not None and case.meta.generation.mode == schemathesis.GenerationMode.POSITIVE:
        case.path_parameters, case.query = _led_somewhere(case.path_parameters), _led_somewhere(case.query)
        if isinstance(case.body, dict):
            case.body = _led_somewhere(case.body)
    headers = {"Authorization": str(crm.session.headers["Authorization"])}
    not_meant = NOT_MEANT + (NOT_MEANT_OF_BATCHES if case.path.endswith(BATCHES) else [])
    case.call_and_validate(base_url=web.web_url, session=crm.session, headers=headers, excluded_checks=not_meant)
