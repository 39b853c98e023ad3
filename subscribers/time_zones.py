"""The country behind a time zone: a guess for segments, from the tables of the time zone database (tz, zone.tab)."""

from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

SYSTEM = Path("/usr/share/zoneinfo")


def country_of(time_zone: str) -> str:
    """Two letters (ISO 3166-1), or an empty text when the zone belongs to no country or the tables are not there."""
    return _countries().get(time_zone, "")


@cache
def _countries() -> dict[str, str]:
    countries = {}
    for line in _lines("zone.tab"):
        if line and not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            countries[zone] = country
    # Browsers still say Asia/Calcutta: old names are links to the new ones ("L target name").
    links = [line.split(" ") for line in _lines("tzdata.zi") if line.startswith("L ")]
    for _, target, name in links:
        if target in countries:
            countries.setdefault(name, countries[target])
    return countries


def _lines(name: str) -> Iterable[str]:
    for place in (SYSTEM / name, _packaged(name)):
        if place is not None and place.is_file():
            return place.read_text(encoding="utf-8").splitlines()
    return ()


def _packaged(name: str) -> Path | None:
    """The file in the package `tzdata`, which stands in where the system has no time zones."""
    try:
        folder = resources.files("tzdata") / "zoneinfo" / name
    except ModuleNotFoundError:
        return None
    return folder if isinstance(folder, Path) else None
