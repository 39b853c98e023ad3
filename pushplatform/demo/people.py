"""The people of the demo: made up, always the same, lifelike enough that segments and statistics mean something."""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

PEOPLE = 300
SHOP_ACCOUNTS = 3  # the first ones can log in at the shop; they have no simulated browser but the visitor's own

_NAMES = {
    "pl": (
        "Anna Jan Maria Piotr Katarzyna Tomasz Agnieszka Paweł Magdalena Michał Joanna Marcin Zofia Jakub Ewa".split(),
        "Kowalska Nowak Wiśniewska Wójcik Kamińska Lewandowski Zielińska Szymański Dąbrowska Kozłowski".split(),
    ),
    "en": (
        "Olivia Jack Emily Harry Grace George Sophie Oscar Alice Leo Hannah Thomas Ruby Arthur Nora".split(),
        "Smith Taylor Brown Wilson Davies Evans Walker Roberts Hughes Edwards".split(),
    ),
    "de": (
        "Lena Jonas Mia Lukas Emma Felix Clara Paul Marie Anton Ida Moritz Greta Emil Frieda".split(),
        "Müller Schmidt Schneider Fischer Weber Becker Hoffmann Schäfer Koch Richter".split(),
    ),
}
_PLACES = {
    "pl": (["Warsaw", "Kraków", "Gdańsk", "Wrocław", "Poznań"], "Europe/Warsaw"),
    "en": (["London", "Leeds", "Bristol", "Glasgow"], "Europe/London"),
    "de": (["Berlin", "Hamburg", "Munich", "Leipzig"], "Europe/Berlin"),
}
_SALES = [("Nora", "Edwards", "en"), ("Emil", "Koch", "de"), ("Zofia", "Wójcik", "pl"), ("Thomas", "Walker", "en")]
_INTERESTS = ["mugs", "teapots", "bowls", "vases", "plates", "candles"]
_USER_AGENTS = [
    # (share, User-Agent): what the platform reads browser, system and form from.
    (
        38,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/142.0.0.0 Safari/537.36",
    ),
    (
        24,
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/142.0.0.0 Mobile Safari/537.36",
    ),
    (12, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (5, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (
        9,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
        "Safari/537.36 Edg/142.0.0.0",
    ),
    (
        8,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 "
        "Safari/605.1.15",
    ),
    (
        4,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 "
        "Mobile/15E148 Safari/604.1",
    ),
]


@dataclass(frozen=True, slots=True)
class Browser:
    """A simulated browser to be: what it says of itself and what its person agrees to."""

    user_agent: str
    language: str
    time_zone: str
    consents: dict[str, bool]  # purpose key → yes or no; a purpose that was not asked for is missing


@dataclass(frozen=True, slots=True)
class Person:
    external_id: str
    attributes: dict[str, Any]
    tags: list[str]
    language: str
    time_zone: str
    owner: str | None
    browsers: list[Browser] = field(default_factory=list)


def people(today: date, count: int = PEOPLE) -> list[Person]:
    """The demo's contacts, CRM-1 to CRM-`count`, about four browsers for every three of them."""
    dice = random.Random(20260101)
    return [_person(dice, number, today) for number in range(1, count + 1)]


def sales_people() -> list[Person]:
    """Who looks after the contacts: contacts too, each with the browser at their desk, which agreed to team alerts."""
    agreed = dict.fromkeys(("personal_data", "measurement", "team_alerts"), True)
    found = []
    for number, (first, last, language) in enumerate(_SALES, start=1):
        zone = _PLACES[language][1]
        attributes = {"first_name": first, "last_name": last}
        browser = Browser(_USER_AGENTS[0][1], language, zone, agreed)
        found.append(Person(f"sales-{number}", attributes, ["sales"], language, zone, None, [browser]))
    return found


def _person(dice: random.Random, number: int, today: date) -> Person:
    language = "pl" if number <= SHOP_ACCOUNTS else dice.choices(["pl", "en", "de"], [5, 4, 2])[0]
    firsts, lasts = _NAMES[language]
    cities, zone = _PLACES[language]
    # The first three are who can log in at the shop: Anna, Jan and Maria.
    first = firsts[number - 1] if number <= SHOP_ACCOUNTS else dice.choice(firsts)
    attributes: dict[str, Any] = {
        "first_name": first,
        "last_name": dice.choice(lasts),
        "city": dice.choice(cities),
        "plan": dice.choices(["free", "pro", "team"], [6, 3, 1])[0],
        "lifetime_value": round(dice.lognormvariate(4.2, 1.0), 2),
        "birthday": (today - timedelta(days=dice.randint(19 * 365, 70 * 365))).isoformat(),
        "newsletter": dice.random() < 0.4,
        "interests": sorted(dice.sample(_INTERESTS, dice.randint(1, 3))),
    }
    if number > SHOP_ACCOUNTS and dice.random() < 0.06:
        del attributes["first_name"]  # as in life: some are unknown, and texts need a default
    tags = [tag for tag, share in (("vip", 0.08), ("beta", 0.12), ("staff", 0.03)) if dice.random() < share]
    browsers = (
        []
        if number <= SHOP_ACCOUNTS
        else [_browser(dice, language, zone, number) for _ in range(_how_many(dice, number))]
    )
    return Person(f"CRM-{number}", attributes, tags, language, zone, f"sales-{number % len(_SALES) + 1}", browsers)


def _how_many(dice: random.Random, number: int) -> int:
    drawn = dice.choices([0, 1, 2, 3], [12, 48, 32, 8])[0]
    return 2 if number == 42 else max(drawn, 1) if number == 43 else drawn  # those two are in the README's example


def _browser(dice: random.Random, language: str, zone: str, number: int) -> Browser:
    agent = dice.choices([text for _, text in _USER_AGENTS], [share for share, _ in _USER_AGENTS])[0]
    consents = {
        "personal_data": dice.random() < 0.88,
        "measurement": dice.random() < 0.72,
        "offers": dice.random() < 0.8,
        "order_updates": dice.random() < 0.9,
    }
    if number == 42:
        consents = dict.fromkeys(consents, True)
    if number == 43:
        consents = dict.fromkeys(consents, True) | {"order_updates": False}
    if not consents["offers"] and not consents["order_updates"]:
        consents["offers"] = True  # nobody subscribes to nothing
    return Browser(agent, language, zone, consents)
