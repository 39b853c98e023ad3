"""The demo's shop as a browser without JavaScript would see it."""

import argparse
import hashlib
import hmac
import json
import re
import time
from pathlib import Path

import pytest

from pushplatform.demo import shop
from pushplatform.demo.shop.__main__ import parse_people
from pushplatform.demo.shop.site import DEFAULT_PEOPLE, Page, Shop, Visit

SECRET = "identity secret of the tests"


class Customer:
    """Keeps the shop's cookies from one request to the next."""

    def __init__(self) -> None:
        self.shop = Shop(platform="http://localhost:8000", site="site_x", people=DEFAULT_PEOPLE, secret=SECRET)
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> Page:
        return self._ask("GET", path, {})

    def post(self, path: str, **form: str) -> Page:
        return self._ask("POST", path, form)

    def _ask(self, method: str, path: str, form: dict[str, str]) -> Page:
        visit = Visit(method, path, self.cookies, form)
        page = self.shop.answer(visit)
        self.cookies = {name: value for name, value in {**self.cookies, **visit.set_cookies}.items() if value}
        return page

    def identity(self) -> dict[str, object] | None:
        """What the page tells the platform's script about who is signed in."""
        found = re.search(rb'id="identity">(.*?)</script>', self.get("/").body)
        assert found is not None
        said: dict[str, object] | None = json.loads(found.group(1))
        return said


@pytest.fixture
def customer() -> Customer:
    return Customer()


def test_only_a_signed_in_customer_gets_an_identity_and_it_is_signed(customer: Customer) -> None:
    assert customer.identity() is None

    customer.post("/sign-in", external_id="CRM-1")
    identity = customer.identity()

    assert identity is not None
    assert identity["external_id"] == "CRM-1"
    assert abs(int(str(identity["issued_at"])) - time.time()) < 60
    text = f"v1.site_x.CRM-1.{identity['issued_at']}"
    assert identity["signature"] == hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()

    customer.post("/sign-out")
    assert customer.identity() is None


def test_nobody_becomes_a_customer_by_writing_a_cookie(customer: Customer) -> None:
    customer.post("/sign-in", external_id="CRM-1")
    mark = customer.cookies["shop_person"].rpartition(".")[2]

    for forged in ("CRM-2", f"CRM-2.{mark}", "CRM-2.", ".", ""):
        customer.cookies = {"shop_person": forged}
        assert customer.identity() is None


def test_an_unknown_person_cannot_sign_in(customer: Customer) -> None:
    customer.post("/sign-in", external_id="CRM-99")

    assert customer.identity() is None


def test_the_basket_takes_what_is_sold_and_becomes_an_order(customer: Customer) -> None:
    customer.post("/basket", slug="water-jug")
    customer.post("/basket", slug="water-jug")
    customer.post("/basket", slug="evening-light")  # sold out
    customer.post("/basket", slug="no-such-thing")
    assert "€ 96.00" in customer.get("/basket").body.decode()

    ordered = customer.post("/orders")

    assert ordered.status == 303
    assert customer.get(ordered.headers["location"]).status == 200
    assert "Nothing in it yet" in customer.get("/basket").body.decode()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/products/slow-teapot", 200),
        ("/products/nothing", 404),
        ("/static/site.py", 404),
        ("/orders", 405),
    ],
)
def test_addresses_answer(customer: Customer, path: str, status: int) -> None:
    assert customer.get(path).status == status


def test_the_one_hosted_file_is_one_line(customer: Customer) -> None:
    assert customer.get("/push-sw.js").body == b'importScripts("http://localhost:8000/static/push/sw.js");\n'


def test_people_are_named_in_json_and_mistakes_are_said(customer: Customer) -> None:
    assert parse_people('[{"external_id": "CRM-7", "name": "Ewa Lis"}]')[0].initials == "EL"
    for text, problem in (("nonsense", "JSON list"), ('[{"name": "Ewa"}]', "external_id"), ("[]", "nobody")):
        with pytest.raises(argparse.ArgumentTypeError, match=problem):
            parse_people(text)


def test_every_button_of_the_shop_says_what_it_asks_customers_for():
    pages = Path(shop.__file__).parent / "templates"
    buttons = [
        button
        for page in pages.glob("*.html")
        for button in re.findall(r"<button[^>]*data-push-ask[^>]*>", page.read_text())
    ]
    assert len(buttons) >= 5
    for button in buttons:
        asked = re.search(r'data-push-purposes="([^"]+)"', button)
        assert asked, button
        assert set(asked[1].split()) <= {"offers", "order_updates"}
