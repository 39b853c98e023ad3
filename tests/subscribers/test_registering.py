"""A browser subscribes, is linked to a person, decides, and leaves: through the browser API."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from pushplatform.sites import public_ids
from pushplatform.sites.models import VapidKey
from pushplatform.webpush.keys import KeyPair, b64url
from subscribers import contacts, devices, identity, ledger
from subscribers.ledger import Decided
from subscribers.models import ConsentEvidence, ConsentRecord, Contact, Decision, Device, ErasedContact, Scope
from tests.subscribers.browsers import FIREFOX, Browser, problem_of
from tests.subscribers.people import new_contact, wording_of

YES = {"personal_data": "granted", "offers": "granted"}
Status = Device.Status


@pytest.fixture
def browser(site) -> Browser:
    return Browser(site)


def signed(site, external_id="CRM-42", issued_at=None):
    issued_at = int(timezone.now().timestamp()) if issued_at is None else issued_at
    signature = identity.signature_of(site, external_id, issued_at)
    return {"external_id": external_id, "issued_at": issued_at, "signature": signature}


def crm_says(site, contact, purpose_key, decision):
    purpose = site.purposes.get(key=purpose_key)
    decided = Decided(site.id, Scope.CONTACT, contact.id, purpose.id, decision, "crm-api", wording_of(purpose).id)
    ledger.record([decided], timezone.now())


# --- registering ----------------------------------------------------------------------------------------------------


def test_a_new_browser_becomes_a_device_with_what_it_told(browser):
    response = browser.post_registration(browser.body({"offers": "granted"}))
    assert response.status_code == 201
    answer = response.json()
    browser.device_id, browser.secret = answer["device_id"], answer["device_secret"]
    device = browser.device
    assert answer["identified"] is False
    assert (device.status, device.contact_id, device.country) == (Status.ACTIVE, None, "PL")
    assert (device.browser, device.browser_version, device.os, device.form) == ("firefox", "140", "linux", "desktop")
    assert bytes(device.subscription.secret_hash) == hashlib.sha256(browser.secret.encode()).digest()
    assert browser.may_get() == {"offers"}


def test_the_ledger_holds_origin_and_hash_and_the_evidence_the_rest(browser, site):
    browser.register({"offers": "granted", "measurement": "withdrawn"})
    lines = ConsentRecord.objects.filter(site_id=site.id).order_by("id")
    assert [(line.source, line.page, line.decision) for line in lines] == [
        ("browser", "https://shop.example", Decision.GRANTED),
        ("browser", "https://shop.example", Decision.WITHDRAWN),
    ]
    for line in lines:
        body = ConsentEvidence.objects.get(record_id=line.id).body
        assert (body["path"], body["address"], body["user_agent"]) == ("/basket", "127.0.0.1", FIREFOX)
        assert hashlib.sha256(ledger.canonical(body).encode()).digest() == bytes(line.evidence_hash)


def test_the_secret_refreshes_the_device_with_a_new_subscription(browser):
    first = browser.register(YES, identity=signed(browser.site))
    browser.subscribe()
    response = browser.post_registration(browser.body())
    assert (response.status_code, response.json()) == (200, first)
    assert browser.device.subscription.endpoint == browser.subscription["endpoint"]
    assert browser.may_get() == set(YES)


@pytest.mark.parametrize("wrong", [{"device_secret": "x" * 43}, {"device_id": "dev_" + "a" * 26}, {"device_id": "7"}])
def test_without_the_secret_no_device_changes_and_the_same_endpoint_replaces_it(browser, wrong):
    browser.register(YES, identity=signed(browser.site))
    old = browser.device
    answer = browser.register(**wrong)
    assert answer["device_id"] != public_ids.encode("dev", old.id)
    assert (browser.device.status, browser.device.contact_id, browser.may_get()) == (Status.ACTIVE, None, set())
    before = (old.allowed, old.browser, old.contact_id)
    old = Device.objects.get(id=old.id)
    assert (old.allowed, old.browser, old.contact_id) == before
    assert (old.status, hasattr(old, "subscription")) == (Status.REPLACED, False)


def test_without_the_secret_another_endpoint_leaves_the_device_alone(browser):
    browser.register(YES)
    old = browser.device
    browser.subscribe()
    browser.register(device_secret="x" * 43)
    assert browser.device.id != old.id
    old.refresh_from_db()
    assert old.status == Status.ACTIVE


def test_a_device_of_another_site_is_a_stranger_here(browser, other_site):
    browser.register(YES)
    there = Browser(other_site)
    answer = there.register(device_id=browser.device_id, device_secret=browser.secret)
    assert answer["device_id"] != browser.device_id
    assert browser.device.site_id == browser.site.id


def test_a_subscription_made_with_a_draining_key_is_taken(browser, site):
    old = site.vapid_keys.get()
    body = browser.body()
    VapidKey.objects.filter(id=old.id).update(state="draining")
    pair = KeyPair.generate()
    VapidKey.objects.create(site=site, public_key=pair.public_key, private_key=pair.private_key)
    response = browser.post_registration(body)
    assert response.status_code == 201
    assert Device.objects.get(site=site).vapid_key_id == old.id


def test_a_subscription_whose_key_is_retired_or_foreign_must_be_made_anew(browser, site, other_site):
    VapidKey.objects.filter(site=site).update(state="retired")
    key = b64url(site.vapid_keys.get().public_key)
    foreign = b64url(other_site.vapid_keys.get().public_key)
    VapidKey.objects.filter(site=other_site).update(site=other_site)
    for given, code in ((key, "key_retired"), (foreign, "unknown_key")):
        body = Browser(other_site).body(application_server_key=given)
        expected = (422, code, [("/application_server_key", code)])
        assert problem_of(browser.post_registration(body)) == expected
    assert not Device.objects.filter(site=site).exists()


# --- linking --------------------------------------------------------------------------------------------------------


def test_a_crm_id_is_linked_only_with_a_yes_to_personal_data(browser, site):
    refused = browser.register({"offers": "granted"}, identity=signed(site))
    assert (refused["identified"], refused["not_identified_because"]) == (False, "personal_data_needed")
    assert not Contact.objects.filter(site=site).exists()
    linked = browser.register({"personal_data": "granted"}, identity=signed(site))
    assert linked["identified"] is True
    assert browser.device.contact.external_id == "CRM-42"


def test_a_yes_serves_the_first_person_it_linked_and_another_is_asked_anew(browser, site):
    browser.register(YES, identity=signed(site, "Anna", int(timezone.now().timestamp()) - 10))
    browser.act("DELETE", "identity")
    assert browser.device.contact is None
    Device.objects.update(logout_at=timezone.now() - timedelta(seconds=5))  # signatures count whole seconds
    response = browser.act("POST", "identity", **signed(site, "Boris"))
    assert problem_of(response)[:2] == (409, "personal_data_needed")
    assert browser.act("POST", "identity", **signed(site, "Anna")).json() == {"identified": True}
    assert browser.act("POST", "identity", **signed(site, "Boris")).status_code == 409
    assert browser.device.contact is None, "somebody else is signed in: the browser is no longer Anna's"
    consents = browser.decisions({"personal_data": "granted"})
    assert browser.act("POST", "consents", consents=consents).status_code == 200
    assert browser.act("POST", "identity", **signed(site, "Boris")).status_code == 200
    assert browser.device.contact.external_id == "Boris"


def test_an_anew_given_yes_belongs_to_who_signs_in_with_it(browser, site):
    browser.register(YES, identity=signed(site, "Anna"))
    assert browser.register(YES, identity=signed(site, "Boris"))["identified"] is True
    assert browser.device.contact.external_id == "Boris"


def test_withdrawing_personal_data_unlinks_at_once_and_other_consents_stay(browser, site):
    browser.register(YES, identity=signed(site))
    response = browser.act("POST", "consents", consents=browser.decisions({"personal_data": "withdrawn"}))
    assert response.json() == {"consents": {"personal_data": "withdrawn", "offers": "granted"}}
    assert browser.device.contact is None
    assert browser.may_get() == {"offers"}


def test_while_the_crm_says_no_nobody_is_linked(browser, site):
    contact = new_contact(site, external_id="CRM-42")
    crm_says(site, contact, "personal_data", Decision.WITHDRAWN)
    answer = browser.register(YES, identity=signed(site))
    assert answer["not_identified_because"] == "personal_data_withdrawn"
    assert problem_of(browser.act("POST", "identity", **signed(site)))[:2] == (409, "personal_data_withdrawn")
    crm_says(site, contact, "personal_data", Decision.GRANTED)
    assert browser.act("POST", "identity", **signed(site)).status_code == 200


def test_an_erased_person_is_not_made_again_by_a_browser(browser, site):
    mark = contacts.erasure_mark(site.id, "CRM-42")
    ErasedContact.objects.create(site=site, external_id_hmac=mark, at=timezone.now())
    assert browser.register(YES, identity=signed(site))["not_identified_because"] == "contact_erased"
    assert problem_of(browser.act("POST", "identity", **signed(site)))[:2] == (409, "contact_erased")
    assert not Contact.objects.filter(site=site).exists()


def test_what_the_crm_heard_withdrawn_stays_withdrawn_after_logout(browser, site):
    browser.register(YES, identity=signed(site))
    crm_says(site, browser.device.contact, "offers", Decision.WITHDRAWN)
    assert browser.may_get() == {"personal_data"}
    assert browser.act("DELETE", "identity").status_code == 204
    assert browser.may_get() == {"personal_data"}


def test_an_identity_from_before_the_logout_is_not_taken_again(browser, site, now):
    used, unused = signed(site), signed(site, issued_at=int(now.timestamp()) - 5)
    browser.register(YES, identity=used)
    browser.act("DELETE", "identity")
    for old in (used, unused):
        expected = (422, "identity_before_logout", [("/issued_at", "identity_before_logout")])
        assert problem_of(browser.act("POST", "identity", **old)) == expected
    fresh = signed(site, issued_at=int(timezone.now().timestamp()) + 1)
    assert browser.act("POST", "identity", **fresh).status_code == 200


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"signature": "0" * 64}, "signature", "wrong_signature"),
        ({"signature": "nonsense"}, "signature", "wrong_signature"),
        ({"external_id": "CRM-43"}, "signature", "wrong_signature"),
        ({"external_id": "a\nb"}, "external_id", "invalid_text"),
        ({"external_id": None}, "external_id", "required"),
        ({"issued_at": "now"}, "issued_at", "invalid_type"),
        ({"issued_at": None}, "issued_at", "required"),
    ],
)
def test_a_wrong_identity_is_refused_by_name_and_changes_nothing(browser, site, change, pointer, code):
    answer = problem_of(browser.post_registration(browser.body(YES, identity=signed(site) | change)))
    assert (answer[0], answer[2]) == (422, [(f"/identity/{pointer}", code)])
    assert not Device.objects.filter(site=site).exists()
    browser.register(YES)
    answer = problem_of(browser.act("POST", "identity", **(signed(site) | change)))
    assert (answer[0], answer[2]) == (422, [(f"/{pointer}", code)])
    assert browser.device.contact is None


@pytest.mark.parametrize(("seconds", "code"), [(-3700, "identity_expired"), (900, "identity_in_future")])
def test_an_identity_is_good_for_an_hour(browser, site, now, seconds, code):
    who = signed(site, issued_at=int(now.timestamp()) + seconds)
    assert problem_of(browser.post_registration(browser.body(YES, identity=who)))[1:] == (
        code,
        [("/identity/issued_at", code)],
    )


def test_a_signature_of_one_site_is_nothing_at_another(browser, other_site):
    who = signed(other_site)
    assert problem_of(browser.post_registration(browser.body(YES, identity=who)))[1] == "wrong_signature"


# --- deciding and leaving -------------------------------------------------------------------------------------------


def test_everywhere_counts_for_all_devices_of_the_person(site):
    here, there = Browser(site), Browser(site)
    for browser in (here, there):
        browser.register(YES, identity=signed(site))
    decided = here.decisions({"offers": "withdrawn"}, everywhere=True)
    assert here.act("POST", "consents", consents=decided).status_code == 200
    assert here.may_get() == there.may_get() == {"personal_data"}
    contact = here.device.contact
    assert ledger.state(Scope.CONTACT, contact.id) == {"offers": "withdrawn"}
    decided = here.decisions({"personal_data": "withdrawn"}, everywhere=True)
    assert here.act("POST", "consents", consents=decided).status_code == 200
    assert here.device.contact is there.device.contact is None
    assert there.may_get() == {"personal_data"}, "what was said there was not taken back there"


def test_everywhere_while_registering_needs_a_person(browser, site):
    body = browser.body({"personal_data": "granted"})
    body["consents"] += browser.decisions({"offers": "granted"}, everywhere=True)
    expected = (422, "not_identified", [("/consents/1/everywhere", "not_identified")])
    assert problem_of(browser.post_registration(body)) == expected
    assert not ConsentRecord.objects.filter(site_id=site.id).exists()
    assert browser.post_registration(body | {"identity": signed(site)}).status_code == 201
    assert ledger.state(Scope.CONTACT, Contact.objects.get(site=site).id) == {"offers": "granted"}


def test_unsubscribing_stops_and_forgets_the_endpoint_and_registering_brings_the_device_back(browser, site):
    browser.register(YES, identity=signed(site))
    assert browser.act("POST", "unsubscribe").status_code == 204
    device = browser.device
    assert (device.status, device.contact) == (Status.UNSUBSCRIBED, None)
    assert (device.subscription.endpoint, bytes(device.subscription.auth)) == ("", b"")
    browser.subscribe()
    assert browser.post_registration(browser.body()).status_code == 200
    assert browser.device.status == Status.ACTIVE
    assert browser.may_get() == set(YES)


@pytest.mark.parametrize(
    ("method", "act"), [("POST", "consents"), ("POST", "identity"), ("DELETE", "identity"), ("POST", "unsubscribe")]
)
def test_only_the_installation_itself_may_act_for_its_device(browser, method, act):
    browser.register(YES)
    browser.secret = "x" * 43
    assert problem_of(browser.act(method, act))[:2] == (403, "wrong_device_secret")
    path = f"devices/{browser.device_id}/{act}"
    assert problem_of(browser.call(method, path, {}))[2] == [("/device_secret", "required")]
    assert browser.may_get() == set(YES)
    stranger = Browser(browser.site)
    stranger.device_id = "dev_" + "a" * 26
    assert problem_of(stranger.act(method, act))[:2] == (404, "not_found")


def test_a_410_retires_only_the_subscription_that_answered(browser, now):
    browser.register(YES)
    device, old_hash = browser.device, bytes(browser.device.subscription.endpoint_hash)
    browser.subscribe()
    browser.register()
    assert devices.mark_gone([(device.id, old_hash), (10**9, b"x")], now) == []
    assert browser.device.status == Status.ACTIVE
    assert devices.mark_gone([(device.id, bytes(browser.device.subscription.endpoint_hash))], now) == [device.id]
    assert (browser.device.status, browser.device.subscription.endpoint) == (Status.GONE, "")
    assert devices.mark_gone([(device.id, bytes(browser.device.subscription.endpoint_hash))], now) == []
    browser.subscribe()
    browser.register()
    assert browser.device.status == Status.ACTIVE
    assert browser.may_get() == set(YES)


def test_a_later_visit_is_noted(browser):
    browser.register()
    Device.objects.update(last_seen_at=timezone.now() - timedelta(days=9))
    browser.register()
    assert timezone.now() - browser.device.last_seen_at < timedelta(minutes=1)
