"""The shop's pages as one small ASGI application: no session store, no database, everything in two cookies."""

import json
import mimetypes
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from liquid import Environment, FileSystemLoader
from markupsafe import Markup

from pushplatform.demo.shop.catalogue import BY_SLUG, PRODUCTS, price_text
from pushplatform.demo.shop.identity import seal, sign_identity, unseal

HERE = Path(__file__).parent
DRAWINGS = {file.stem: Markup(file.read_text()) for file in (HERE / "drawings").glob("*.svg")}
LARGEST_FORM = 10_000
YEAR = 365 * 86400

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in; the CRM knows them by `external_id`."""

    external_id: str
    name: str
    email: str

    @property
    def first_name(self) -> str:
        return self.name.split()[0]

    @property
    def initials(self) -> str:
        return "".join(part[0] for part in self.name.split()[:2])


DEFAULT_PEOPLE = (
    Person("CRM-1", "Anna Nowak", "anna@example.com"),
    Person("CRM-2", "Jan Kowalski", "jan@example.com"),
    Person("CRM-3", "Maria Wójcik", "maria@example.com"),
)


@dataclass
class Visit:
    """One request, and the cookies its answer will set."""

    method: str
    path: str
    cookies: dict[str, str]
    form: dict[str, str]
    set_cookies: dict[str, str] = field(default_factory=dict)


@dataclass
class Page:
    body: bytes
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


def redirect(target: str) -> Page:
    return Page(b"", 303, headers={"location": target})


class Shop:
    """The ASGI application. `platform` is an origin, `secret` the Site's identity secret (never sent to a browser)."""

    def __init__(self, *, platform: str, site: str, people: tuple[Person, ...], secret: str) -> None:
        self.platform, self.site, self.secret = platform, site, secret
        self.people = {person.external_id: person for person in people}
        self.templates = Environment(extra=True, loader=FileSystemLoader(HERE / "templates"), autoescape=True)
        self.routes: list[tuple[str, re.Pattern[str], Callable[..., Page]]] = [
            ("GET", re.compile(r"/"), self.home),
            ("GET", re.compile(r"/products/(?P<slug>[a-z-]+)"), self.product),
            ("GET", re.compile(r"/basket"), self.basket),
            ("POST", re.compile(r"/basket"), self.change_basket),
            ("POST", re.compile(r"/orders"), self.place_order),
            ("GET", re.compile(r"/orders/(?P<number>[0-9]{4,8})"), self.order),
            ("GET", re.compile(r"/account"), self.account),
            ("POST", re.compile(r"/sign-in"), self.sign_in),
            ("POST", re.compile(r"/sign-out"), self.sign_out),
            ("GET", re.compile(r"/push-sw\.js"), self.worker),
            ("GET", re.compile(r"/manifest\.webmanifest"), self.manifest),
            ("GET", re.compile(r"/static/(?P<name>[a-z0-9.-]+)"), self.static),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = await _read(scope, receive)
        page = self.answer(visit)
        headers = {"content-type": page.content_type, "cache-control": "no-store", **self._policy(), **page.headers}
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        for name, value in visit.set_cookies.items():
            keep = f"Max-Age={YEAR}" if value else "Max-Age=0"
            lines.append((b"set-cookie", f"{name}={value}; Path=/; SameSite=Lax; HttpOnly; {keep}".encode()))
        await send({"type": "http.response.start", "status": page.status, "headers": lines})
        await send({"type": "http.response.body", "body": b"" if visit.method == "HEAD" else page.body})

    def answer(self, visit: Visit) -> Page:
        """The page for a request, 404 or 405 where there is none."""
        method = "GET" if visit.method == "HEAD" else visit.method
        matches = [(verb, route, found) for verb, rule, route in self.routes if (found := rule.fullmatch(visit.path))]
        for verb, route, found in matches:
            if verb == method:
                return route(visit, **found.groupdict())
        return self._render(visit, "missing.html", status=405 if matches else 404)

    def _policy(self) -> dict[str, str]:
        """Strict, as a careful shop would have it: the platform's script must get by with its origin alone."""
        return {
            "content-security-policy": (
                f"default-src 'self'; script-src 'self' {self.platform}; connect-src 'self' {self.platform}; "
                "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            ),
            "x-content-type-options": "nosniff",
            "referrer-policy": "strict-origin-when-cross-origin",
        }

    def _render(self, visit: Visit, template: str, status: int = 200, **values: object) -> Page:
        person = self._person(visit)
        identity = None
        if person is not None:
            identity = asdict(sign_identity(self.site, person.external_id, int(time.time()), self.secret))
        context = {
            "platform": self.platform,
            "site": self.site,
            "person": person and _shown(person),
            "identity": Markup(json.dumps(identity).replace("<", "\\u003c")),
            "basket_size": sum(self._basket(visit).values()),
            **values,
        }
        return Page(self.templates.get_template(template).render(**context).encode(), status)

    def _person(self, visit: Visit) -> Person | None:
        external_id = unseal(visit.cookies.get("shop_person", ""), self.secret)
        return self.people.get(external_id) if external_id else None

    def _basket(self, visit: Visit) -> dict[str, int]:
        """Slug → number of pieces, in the order they were put in."""
        counts: dict[str, int] = {}
        for part in visit.set_cookies.get("shop_basket", visit.cookies.get("shop_basket", "")).split("|"):
            slug, _, number = part.partition(":")
            if slug in BY_SLUG and number.isdigit():
                counts[slug] = min(int(number), 9)
        return counts

    # Pages

    def home(self, visit: Visit) -> Page:
        hero = {name: DRAWINGS[name] for name in ("teapot", "mug")}
        return self._render(visit, "home.html", hero=hero, products=[_card(product) for product in PRODUCTS])

    def product(self, visit: Visit, slug: str) -> Page:
        product = BY_SLUG.get(slug)
        if product is None:
            return self._render(visit, "missing.html", status=404)
        others = [_card(other) for other in PRODUCTS if other is not product and not other.sold_out][:4]
        return self._render(visit, "product.html", product=_card(product), others=others)

    def basket(self, visit: Visit) -> Page:
        lines = [
            {**_card(BY_SLUG[slug]), "number": number, "sum": price_text(BY_SLUG[slug].price * number)}
            for slug, number in self._basket(visit).items()
        ]
        total = sum(BY_SLUG[slug].price * number for slug, number in self._basket(visit).items())
        return self._render(visit, "basket.html", lines=lines, total=price_text(total))

    def change_basket(self, visit: Visit) -> Page:
        basket, slug = self._basket(visit), visit.form.get("slug", "")
        if slug in BY_SLUG and visit.form.get("act") == "remove":
            basket.pop(slug, None)
        elif slug in BY_SLUG and not BY_SLUG[slug].sold_out:
            basket[slug] = min(basket.get(slug, 0) + 1, 9)
        visit.set_cookies["shop_basket"] = "|".join(f"{slug}:{number}" for slug, number in basket.items())
        return redirect("/basket")

    def place_order(self, visit: Visit) -> Page:
        if not self._basket(visit):
            return redirect("/basket")
        visit.set_cookies["shop_basket"] = ""
        return redirect(f"/orders/{20000 + secrets.randbelow(70000)}")

    def order(self, visit: Visit, number: str) -> Page:
        return self._render(visit, "order.html", number=number)

    def account(self, visit: Visit) -> Page:
        return self._render(visit, "account.html", people=[_shown(person) for person in self.people.values()])

    def sign_in(self, visit: Visit) -> Page:
        person = self.people.get(visit.form.get("external_id", ""))
        if person is not None:
            visit.set_cookies["shop_person"] = seal(person.external_id, self.secret)
        return redirect("/account")

    def sign_out(self, visit: Visit) -> Page:
        visit.set_cookies["shop_person"] = ""
        return redirect("/account")

    # Files

    def worker(self, visit: Visit) -> Page:
        """The one file that a shop hosts for the platform."""
        line = f'importScripts("{self.platform}/static/push/sw.js");\n'
        return Page(line.encode(), content_type="text/javascript; charset=utf-8")

    def manifest(self, visit: Visit) -> Page:
        """Lets iPhones put the shop on the Home Screen, where alone they take pushes."""
        icons = [{"src": f"/static/icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"} for size in (192,)]
        content = {"name": "Kiln & Kettle", "start_url": "/", "display": "standalone", "icons": icons}
        return Page(json.dumps(content).encode(), content_type="application/manifest+json")

    def static(self, visit: Visit, name: str) -> Page:
        file = HERE / "static" / name
        if not file.is_file():
            return self._render(visit, "missing.html", status=404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Page(file.read_bytes(), content_type=kind, headers={"cache-control": "no-cache"})


def _card(product: Any) -> dict[str, Any]:
    return {**asdict(product), "price": product.price_text, "drawing": DRAWINGS[product.picture]}


def _shown(person: Person) -> dict[str, str]:
    return {**asdict(person), "first_name": person.first_name, "initials": person.initials}


async def _read(scope: Scope, receive: Receive) -> Visit:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        cookies.clear()  # other services on this host may set what this parser refuses
    body = b""
    if scope["method"] == "POST":
        more = True
        while more and len(body) <= LARGEST_FORM:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
    form = dict(parse_qsl(body[:LARGEST_FORM].decode("utf-8", "replace")))
    return Visit(scope["method"], scope["path"], {name: morsel.value for name, morsel in cookies.items()}, form)
