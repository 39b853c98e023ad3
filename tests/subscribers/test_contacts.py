"""Contacts and the typed catalogue of their attributes."""

import pytest
from django.utils import timezone

from subscribers import contacts, upserting
from subscribers.errors import Conflict, Invalid
from subscribers.models import Attribute, Contact, ErasedContact


def errors_of(site, external_id="CRM-1", **values):
    with pytest.raises(Invalid) as refused:
        upserting.upsert(site, external_id, **values)
    assert not Contact.objects.filter(site=site).exists()
    return [(fault.pointer, fault.code) for fault in refused.value.errors]


def test_the_first_value_of_an_attribute_decides_its_type(site):
    values = {"name": "Anna", "since": "2026-01-31", "ltv": 12.5, "vip": True, "likes": ["tea"], "none": None}
    contact = upserting.upsert(site, "CRM-1", attributes=values)
    assert contact.attributes == {key: value for key, value in values.items() if value is not None}
    assert dict(Attribute.objects.filter(site=site).values_list("key", "type")) == {
        "name": "string",
        "since": "date",
        "ltv": "number",
        "vip": "boolean",
        "likes": "strings",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("since", "yesterday"),
        ("since", "2026-02-30"),
        ("ltv", "12"),
        ("ltv", True),
        ("ltv", float("nan")),
        ("ltv", 10**16),
        ("vip", 1),
        ("likes", "tea"),
        ("likes", ["tea", 1]),
        ("name", "a\0b"),
        ("name", "\ud800"),
        ("name", "x" * 1001),
        ("name", {"first": "Anna"}),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(site, key, value):
    types = {"name": "string", "since": "date", "ltv": "number", "vip": "boolean", "likes": "strings"}
    Attribute.objects.bulk_create(Attribute(site=site, key=key, type=type_) for key, type_ in types.items())
    assert errors_of(site, attributes={key: value}) == [(f"/attributes/{key}", "invalid_type")]


@pytest.mark.parametrize("key", ["", "first name", "a.b", "1st", "x" * 65, "naïve"])
def test_names_of_attributes_are_limited(site, key):
    assert errors_of(site, attributes={key: 1}) == [(f"/attributes/{key}", "invalid_key")]


def test_a_site_has_a_limited_number_of_attributes(site):
    assert errors_of(site, attributes={f"a{n}": n for n in range(201)}) == [("/attributes", "too_many_attributes")]


@pytest.mark.parametrize("external_id", ["", "x" * 256, "a\nb", "a\0b", "\ud800", "e\u0301", 42, None])
def test_a_crm_id_that_cannot_be_kept_is_refused(site, external_id):
    assert errors_of(site, external_id)[0][0] == "/external_id"


def test_case_counts_in_crm_ids_and_sites_do_not_share_people(site, other_site):
    made = [upserting.upsert(*who) for who in ((site, "crm"), (site, "CRM"), (other_site, "crm"))]
    assert len({contact.id for contact in made}) == 3


def test_what_is_not_given_stays_and_merging_keeps_other_attributes(site):
    upserting.upsert(site, "CRM-1", attributes={"a": 1, "b": 2}, tags=["y", "x", "x"], language="pl", owner="kate")
    contact = upserting.upsert(site, "CRM-1", attributes={"b": None, "c": 3}, time_zone="Europe/Warsaw", merge=True)
    assert contact.attributes == {"a": 1, "c": 3}
    assert (contact.tags, contact.language, contact.owner) == (["x", "y"], "pl", "kate")
    assert upserting.upsert(site, "CRM-1", attributes={"d": 4}).attributes == {"d": 4}


def test_every_wrong_member_is_named(site):
    found = errors_of(site, tags=["", "x" * 65, "ok"], language="no language", time_zone="Mars/Base", owner="x" * 256)
    assert found == [
        ("/tags/0", "invalid_tag"),
        ("/tags/1", "invalid_tag"),
        ("/language", "invalid_language"),
        ("/time_zone", "unknown_time_zone"),
        ("/owner", "invalid_external_id"),
    ]


def test_an_erased_person_does_not_come_back_unasked(site):
    mark = contacts.erasure_mark(site.id, "CRM-1")
    ErasedContact.objects.create(site=site, external_id_hmac=mark, at=timezone.now())
    for come_back in (upserting.upsert, contacts.known_or_new):
        with pytest.raises(Conflict) as refused:
            come_back(site, "CRM-1")
        assert refused.value.code == "contact_erased"
    assert upserting.upsert(site, "CRM-1", recreate=True).external_id == "CRM-1"
    assert contacts.known_or_new(site, "CRM-1")
