"""A person is erased or merged while something else about them is under way."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from campaigns import erasing, merging
from pushplatform.sites.models import Site
from subscribers import identity, told, upserting
from subscribers.errors import Conflict, NotFound
from subscribers.models import ConsentRecord, Contact, Decision, ErasedContact
from tests.subscribers.browsers import Browser
from tests.subscribers.people import new_contact, new_site
from tests.subscribers.test_consent_parallel import meanwhile


@pytest.fixture
def shop(module_database: str) -> Site:
    return new_site()


def identity_of(site: Site, external_id: str) -> dict[str, Any]:
    issued_at = int(timezone.now().timestamp())
    signature = identity.signature_of(site, external_id, issued_at)
    return {"external_id": external_id, "issued_at": issued_at, "signature": signature}


def erase(site: Site) -> Callable[[], object]:
    return lambda: erasing.erase(site, "ANNA", timezone.now())


def merge(site: Site) -> Callable[[], object]:
    return lambda: merging.merge(site, "ANNA", "BEN", timezone.now())


@pytest.mark.parametrize(("act", "code"), [(erase, "contact_erased"), (merge, "contact_merged")])
def test_a_browser_that_signs_in_meanwhile_stays_anonymous(shop: Site, act: Any, code: str) -> None:
    new_contact(shop, external_id="ANNA")
    new_contact(shop, external_id="BEN")
    browser, other = Browser(shop), Browser(shop)
    browser.register({"personal_data": "granted"})
    answers: list[Any] = []

    def sign_in() -> None:
        answers.append(browser.act("POST", "identity", **identity_of(shop, "ANNA")).json()["code"])

    meanwhile(act(shop), sign_in)
    assert answers == [code]
    assert not Contact.objects.filter(site=shop, external_id="ANNA").exists()
    answer = other.register({"personal_data": "granted"}, identity=identity_of(shop, "ANNA"))
    assert (answer["identified"], answer["not_identified_because"]) == (False, code)


def test_a_browser_that_registers_meanwhile_stays_anonymous(shop: Site) -> None:
    new_contact(shop, external_id="ANNA")
    browser = Browser(shop)
    answers: list[Any] = []
    signed_in = identity_of(shop, "ANNA")

    def register() -> None:
        answers.append(browser.register({"personal_data": "granted"}, identity=signed_in))

    meanwhile(erase(shop), register)
    assert answers[0]["not_identified_because"] == "contact_erased"
    assert browser.device.contact is None


def test_a_decision_told_meanwhile_is_refused(shop: Site) -> None:
    contact = new_contact(shop, external_id="ANNA")
    said = told.Told("offers", Decision.WITHDRAWN, None, "phone", None)

    def tell() -> None:
        with pytest.raises(NotFound):
            told.tell(shop, "ANNA", said, timezone.now())

    meanwhile(erase(shop), tell)
    assert not ConsentRecord.objects.filter(scope=2, subject_id=contact.pk).exists()


def test_an_upsert_meanwhile_does_not_bring_the_person_back(shop: Site) -> None:
    new_contact(shop, external_id="ANNA")

    def upsert() -> None:
        with pytest.raises(Conflict):
            upserting.upsert(shop, "ANNA", tags=["back"])

    meanwhile(erase(shop), upsert)
    assert not Contact.objects.filter(site=shop, external_id="ANNA").exists()
    assert ErasedContact.objects.filter(site=shop).count() == 1
