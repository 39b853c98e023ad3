import pytest

from subscribers.time_zones import country_of
from subscribers.user_agent import parse_agent

KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"Mozilla/5.0 (X11; Linux x86_64) {KHTML} Chrome/140.0.0.0 Safari/537.36"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KHTML} Chrome/140.0.0.0 Safari/537.36"
CHROMEOS = f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {KHTML} Chrome/140.0.0.0 Safari/537.36"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {KHTML} Chrome/140.0.0.0"
SAMSUNG = f"Mozilla/5.0 (Linux; Android 10; K) {KHTML} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"
MOBILE_FIREFOX = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
SAFARI = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {KHTML} Version/18.4 Safari/605.1.15"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) {KHTML} {{}} Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (CHROME, ("chrome", "140", "linux", "desktop")),
        (CHROME.replace("Chrome", "HeadlessChrome"), ("chrome", "140", "linux", "desktop")),
        (f"{WINDOWS} Edg/141.0.0.0", ("edge", "141", "windows", "desktop")),
        (f"{WINDOWS} OPR/120.0.0.0", ("opera", "120", "windows", "desktop")),
        (f"{ANDROID} Mobile Safari/537.36", ("chrome", "140", "android", "mobile")),
        (f"{ANDROID} Safari/537.36", ("chrome", "140", "android", "tablet")),
        (SAMSUNG, ("samsung", "28", "android", "mobile")),
        (MOBILE_FIREFOX, ("firefox", "140", "android", "mobile")),
        (CHROMEOS, ("chrome", "140", "chromeos", "desktop")),
        (SAFARI, ("safari", "18.4", "macos", "desktop")),
        (IPHONE.format("Version/18.4"), ("safari", "18.4", "ios", "mobile")),
        (IPHONE.format("CriOS/140.0"), ("chrome", "140", "ios", "mobile")),
        ("curl/8.5", ("", "", "", "")),
        ("", ("", "", "", "")),
        ("Chrome/" * 100_000, ("", "", "", "")),
    ],
)
def test_browsers_are_known_by_their_user_agent(agent, expected):
    assert parse_agent({"User-Agent": agent}) == expected


def test_client_hints_say_what_the_user_agent_hides():
    hints = {
        "User-Agent": WINDOWS,
        "Sec-CH-UA": '"Chromium";v="140", "Brave";v="140", "Not=A?Brand";v="24"',
        "Sec-CH-UA-Platform": '"macOS"',
        "Sec-CH-UA-Mobile": "?0",
    }
    assert parse_agent(hints) == ("brave", "140", "macos", "desktop")
    broken = hints | {"Sec-CH-UA": "nonsense", "Sec-CH-UA-Platform": "?"}
    assert parse_agent(broken) == ("chrome", "140", "windows", "desktop")


@pytest.mark.parametrize(
    ("zone", "country"),
    [("Europe/Warsaw", "PL"), ("Asia/Calcutta", "IN"), ("Asia/Kolkata", "IN"), ("UTC", ""), ("Mars/Base", "")],
)
def test_a_time_zone_tells_the_country_also_under_its_old_name(zone, country):
    assert country_of(zone) == country
