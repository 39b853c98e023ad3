"""How browsers, systems and push services are called on pages."""

from pushplatform.webpush.request import PushService
from subscribers.models import Device

BROWSERS = {
    "chrome": "Chrome", "edge": "Edge", "firefox": "Firefox", "opera": "Opera", "safari": "Safari",
    "samsung": "Samsung Internet", "brave": "Brave", "vivaldi": "Vivaldi", "yandex": "Yandex", "whale": "Whale",
}  # fmt: skip
SYSTEMS = {
    "windows": "Windows", "macos": "macOS", "linux": "Linux", "android": "Android", "ios": "iOS",
    "chromeos": "ChromeOS",
}  # fmt: skip
SERVICES = {
    PushService.FCM: "Google (Chrome and most others)",
    PushService.MOZILLA: "Mozilla (Firefox)",
    PushService.APPLE: "Apple (Safari)",
    PushService.WINDOWS: "Windows (Edge)",
    PushService.OTHER: "Another",
    PushService.LOCAL: "On this machine",
}
STATUSES = {
    Device.Status.ACTIVE: ("active", "reach"),
    Device.Status.UNSUBSCRIBED: ("unsubscribed", ""),
    Device.Status.GONE: ("gone", "look"),
    Device.Status.REPLACED: ("replaced", ""),
    Device.Status.ERASED: ("erased", ""),
}


def attribute_text(value: object) -> str:
    """An attribute's value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def service_name(service: int) -> str:
    try:
        return SERVICES[PushService(service)]
    except ValueError:
        return SERVICES[PushService.OTHER]


def browser_name(browser: str) -> str:
    return BROWSERS.get(browser, browser.capitalize()) or "Unknown browser"


def system_name(system: str) -> str:
    return SYSTEMS.get(system, system.capitalize()) or "unknown system"


def device_name(device: Device) -> str:
    """Such as "Chrome 128 on Windows"."""
    version = device.browser_version.split(".")[0]
    return f"{browser_name(device.browser)}{f' {version}' if version else ''} on {system_name(device.os)}"
