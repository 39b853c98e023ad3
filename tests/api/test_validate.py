"""POST /messages/validate: the same answer, nothing stored, and the first payload."""

from typing import Any

import pytest

from campaigns.models import Batch, Message, Recipient
from pushplatform.api.models import Idempotency
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import Contact, Device, Segment
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import new_client, new_contact, new_person, new_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site))


@pytest.fixture
def anna(site: Site) -> Device:
    (device,) = new_person(site, "ANNA", "order_updates", language="pl")
    Contact.objects.filter(pk=device.contact_id).update(attributes={"city": "Łódź"})
    return device


def body(**members: Any) -> dict[str, Any]:
    return {
        "recipients": [{"external_id": "NOBODY"}, {"external_id": "ANNA", "params": {"order": "A-1"}}],
        "purpose": "order_updates",
        "content": {
            "title": "Order {{ params.order }}",
            "translations": {"pl": {"title": "Paczka {{ params.order }}: {{ contact.city }}"}},
        },
        "correlation_id": "deal-42",
        **members,
    }


def nothing_stored() -> bool:
    return not any(model.objects.exists() for model in (Message, Batch, Recipient, Idempotency))


def test_it_answers_as_the_message_would_and_stores_nothing(crm: Caller, anna: Device) -> None:
    said = crm.post("messages/validate", body(), Idempotency_Key="").json()
    preview = said.pop("preview")
    assert nothing_stored()
    sent = crm.post("messages", body()).json()
    assert said.pop("status") == "valid"
    assert said == {name: value for name, value in sent.items() if name not in ("id", "status")}
    assert preview["device_id"] == public_ids.encode("dev", anna.pk)
    assert preview["payload"]["notification"]["title"] == "Paczka A-1: Łódź"
    assert preview["payload"]["web_push"] == 8030
    assert preview["payload_bytes"] > 100


def test_it_refuses_what_the_message_would_refuse(crm: Caller) -> None:
    assert_problem(crm.post("messages/validate", body(ttl=-1)), 422, "invalid_request", "/ttl")
    assert_problem(crm.post("messages/validate", body(purpose="x")), 422, "unknown_purpose", "/purpose")
    assert_problem(crm.post("messages/validate", b"{"), 400, "malformed_json")


def test_it_needs_the_scope_of_sending(site: Site) -> None:
    assert_problem(Caller(new_client(site, "messages:read")).post("messages/validate", body()), 403, "missing_scope")


def test_where_nobody_is_sent_to_the_payload_is_nobodys(crm: Caller, site: Site) -> None:
    new_contact(site, external_id="ANNA")
    preview = crm.post("messages/validate", body()).json()["preview"]
    assert preview["device_id"] is None
    assert preview["payload"]["notification"]["title"] == "Order "


def test_a_payload_that_cannot_be_made_says_why(crm: Caller, anna: Device) -> None:
    asked = body(content={"title": "{{ params.order }}", "body": "{{ params.order }}"})
    asked["recipients"][1]["params"] = {"order": "x" * 3000}
    preview = crm.post("messages/validate", asked).json()["preview"]
    assert (preview["payload"], preview["reason"]) == (None, "payload_too_large")
    asked = body(content={"title": "{% for a in (1..5000) %}{% for b in (1..5000) %}x{% endfor %}{% endfor %}"})
    preview = crm.post("messages/validate", asked).json()["preview"]
    assert (preview["payload"], preview["reason"]) == (None, "render_failed")
    assert preview["detail"].startswith("The template fails: in title, loop iteration limit reached")
    asked = body(content={"title": "{{ params.nothing }}", "body": "{{ 10 | divided_by: 0 }}"})
    preview = crm.post("messages/validate", asked).json()["preview"]
    assert preview["detail"].startswith("The template fails: in body, ")


ENDLESS = {
    "rounds": "{% for a in (1..4999) %}" + "{% if a == 1 and a != 2 %}{% endif %}" * 90 + "{% endfor %}",
    "filters": "{% for a in (1..4999) %}{% assign x = params.order | split: '' | uniq | size %}{% endfor %}",
    "rows": "{% tablerow a in (1..4999) %}{% case a %}"
    + "{% when 0,0,0,0,0,0,0,0 %}" * 80
    + "{% endcase %}{% endtablerow %}",
    "growth": "{% assign x = params.order %}" + "{% assign x = x | append: x %}" * 60,
    "captures": "{% capture x %}{{ params.order }}{% endcapture %}"
    + "{% capture x %}{{ x }}{{ x }}{% endcapture %}" * 60,
    "powers": "{% assign x = 99999999999 %}" + "{% assign x = x | times: x %}" * 60,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_template_that_works_for_ever_or_grows_without_end_is_stopped(crm: Caller, anna: Device, name: str) -> None:
    asked = body(content={"title": "Hello", "body": ENDLESS[name]})
    asked["recipients"][1]["params"] = {"order": "a,b " * 1900}
    preview = crm.post("messages/validate", asked).json()["preview"]
    assert (preview["payload"], preview["reason"]) == (None, "render_failed")


def test_an_audience_is_previewed_with_one_of_its_devices(crm: Caller, site: Site, anna: Device) -> None:
    segment = Segment.objects.create(site=site, name="Everyone", definition={"all": []})
    asked = body(audience={"segments": [public_ids.encode("seg", segment.pk)]})
    del asked["recipients"]
    said = crm.post("messages/validate", asked).json()
    assert "results" not in said
    assert said["preview"]["device_id"] == public_ids.encode("dev", anna.pk)
    assert nothing_stored()
