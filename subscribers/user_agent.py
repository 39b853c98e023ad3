"""What kind of browser speaks, from its `User-Agent` and the low-entropy client hints (W3C UA Client Hints §3).

Guesses for segments and statistics, never a reason to refuse anybody; what is not known is an empty text.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

BROWSERS: Final = ("chrome", "edge", "firefox", "opera", "safari", "samsung", "brave", "vivaldi", "yandex", "whale")
SYSTEMS: Final = ("windows", "macos", "linux", "android", "ios", "chromeos")
FORMS: Final = ("desktop", "mobile", "tablet")


class Agent(NamedTuple):
    browser: str
    version: str
    os: str
    form: str


# Names in `Sec-CH-UA`, the special before the general: every Chromium names Chromium too.
_BRANDS: Final = (
    ("Microsoft Edge", "edge"),
    ("Opera", "opera"),
    ("Opera GX", "opera"),
    ("Brave", "brave"),
    ("Vivaldi", "vivaldi"),
    ("YaBrowser", "yandex"),
    ("Yandex", "yandex"),
    ("Samsung Internet", "samsung"),
    ("Whale", "whale"),
    ("Google Chrome", "chrome"),
    ("HeadlessChrome", "chrome"),
    ("Chromium", "chrome"),
)
# Words in `User-Agent`, in the same order; all but Firefox claim to be Safari, most to be Chrome.
_WORDS: Final = (
    (re.compile(r"\bEdg(?:A|iOS)?/(\d+)"), "edge"),
    (re.compile(r"\bOP[RTX]/(\d+)"), "opera"),
    (re.compile(r"\bSamsungBrowser/(\d+)"), "samsung"),
    (re.compile(r"\bYaBrowser/(\d+)"), "yandex"),
    (re.compile(r"\bVivaldi/(\d+)"), "vivaldi"),
    (re.compile(r"\bWhale/(\d+)"), "whale"),
    (re.compile(r"\b(?:Firefox|FxiOS)/(\d+)"), "firefox"),
    (re.compile(r"\b(?:Headless)?(?:Chrome|Chromium|CriOS)/(\d+)"), "chrome"),
    (re.compile(r"\bVersion/(\d+(?:\.\d+)?).*\bSafari/"), "safari"),
)
_PLATFORMS: Final = {
    "Windows": "windows",
    "macOS": "macos",
    "Linux": "linux",
    "Android": "android",
    "iOS": "ios",
    "Chrome OS": "chromeos",
    "Chromium OS": "chromeos",
}
# An iPhone says "like Mac OS X", an Android says "Linux": the special first.
_SYSTEM_WORDS: Final = (
    (re.compile(r"\b(?:iPhone|iPad|iPod)\b"), "ios"),
    (re.compile(r"\bAndroid\b"), "android"),
    (re.compile(r"\bCrOS\b"), "chromeos"),
    (re.compile(r"\bWindows\b"), "windows"),
    (re.compile(r"\bMac(?:intosh| OS X)\b"), "macos"),
    (re.compile(r"\b(?:Linux|X11)\b"), "linux"),
)
_BRAND: Final = re.compile(r'"([^"]*)";\s*v="(\d+)')
_LONGEST: Final = 1000


def parse_agent(headers: Mapping[str, str]) -> Agent:
    """The browser behind a request; `headers` are looked up by their usual names."""
    text = headers.get("User-Agent", "")[:_LONGEST]
    browser, version = _brand(headers.get("Sec-CH-UA", "")[:_LONGEST]) or _word(text)
    system = _PLATFORMS.get(headers.get("Sec-CH-UA-Platform", "").strip('"'), "") or next(
        (name for pattern, name in _SYSTEM_WORDS if pattern.search(text)), ""
    )
    return Agent(browser, version, system, _form(text, system, headers.get("Sec-CH-UA-Mobile", "")))


def _brand(hint: str) -> tuple[str, str] | None:
    brands = dict(_BRAND.findall(hint))
    return next(((browser, brands[name]) for name, browser in _BRANDS if name in brands), None)


def _word(text: str) -> tuple[str, str]:
    for pattern, browser in _WORDS:
        if found := pattern.search(text):
            return browser, found[1]
    return "", ""


def _form(text: str, system: str, mobile: str) -> str:
    if "iPad" in text or "Tablet" in text or (system == "android" and mobile != "?1" and "Mobi" not in text):
        return "tablet"
    if mobile == "?1" or "Mobi" in text:
        return "mobile"
    return "desktop" if system else ""
