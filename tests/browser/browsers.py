"""Debian's own Firefox and Chromium, headless, with a profile of their own and no way to the outside."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Playwright

from tests.browser.fake_gcm import FakeGcm
from tests.browser.notification_daemon import Desktop

Kind = Literal["chromium", "firefox"]

EXECUTABLES: dict[Kind, str] = {"chromium": "/usr/bin/chromium", "firefox": "/usr/bin/firefox-esr"}
#: A service worker's first start and the first answer of a push service are slow on a busy machine.
PATIENCE_MS = 60_000
#: A port where nothing listens: whatever is not this machine is sent there and fails at once.
NOWHERE = 9

FIREFOX_PREFERENCES: dict[str, str | float | bool] = {
    "dom.push.testing.allowInsecureServerURL": True,
    "dom.push.connection.enabled": True,  # automation switches it off otherwise: subscribing ends in AbortError
    "dom.push.retryBaseInterval": 200,
    "alerts.useSystemBackend": True,
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": NOWHERE,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": NOWHERE,
    "network.proxy.no_proxies_on": "localhost,127.0.0.1",
    "network.proxy.failover_direct": False,
    "services.settings.server": "data:,#",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
}


def missing(kind: Kind) -> str | None:
    """Why this browser cannot be driven here; None when it can."""
    needed = [EXECUTABLES[kind], "dbus-daemon"]
    absent = [name for name in needed if shutil.which(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed (Debian: firefox-esr, chromium, dbus-daemon)"
    return None


class Browser:
    """One browser on one profile, which outlives the browser: `quit()`, then `start()`."""

    def __init__(
        self,
        playwright: Playwright,
        kind: Kind,
        *,
        desktop: Desktop,
        allowed: tuple[str, ...] = (),
        denied: tuple[str, ...] = (),
        gcm: FakeGcm | None = None,
        push_server: str | None = None,
    ) -> None:
        self.kind = kind
        self._playwright = playwright
        self._desktop = desktop
        self._allowed, self._denied = allowed, denied
        self._gcm = gcm
        self._push_server = push_server
        self._home = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
        self._profile = self._home / "profile"
        self._profile.mkdir()
        self.context = self._start()

    def _start(self) -> BrowserContext:
        environment: dict[str, str | float | bool] = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CHROME_"))},
            "DBUS_SESSION_BUS_ADDRESS": self._desktop.address,
            "HOME": str(self._home),
            "XDG_RUNTIME_DIR": str(self._home),
        }
        return self._chromium(environment) if self.kind == "chromium" else self._firefox(environment)

    def _chromium(self, environment: dict[str, str | float | bool]) -> BrowserContext:
        preferences = self._profile / "Default" / "Preferences"
        if not preferences.exists():
            # Playwright's own grant is lost on restart; this is what a person's "Allow" leaves behind.
            preferences.parent.mkdir()
            exceptions = {
                **{f"{origin},*": {"setting": 1} for origin in self._allowed},
                **{f"{origin},*": {"setting": 2} for origin in self._denied},
            }
            content = {"profile": {"content_settings": {"exceptions": {"notifications": exceptions}}}}
            preferences.write_text(json.dumps(content))
        rules = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"
        return self._playwright.chromium.launch_persistent_context(
            self._profile,
            executable_path=EXECUTABLES["chromium"],
            headless=True,
            timeout=2 * PATIENCE_MS,
            env=environment,
            reduced_motion="reduce",
            args=[
                "--no-sandbox",
                f"--host-resolver-rules={rules}",
                "--disable-component-update",
                "--disable-features=MediaRouter,OptimizationHints",
                *(self._gcm.flags if self._gcm else []),
            ],
            ignore_default_args=[
                "--disable-component-extensions-with-background-pages",
                "--disable-background-networking",
            ],
        )

    def _firefox(self, environment: dict[str, str | float | bool]) -> BrowserContext:
        preferences = dict(FIREFOX_PREFERENCES)
        if self._push_server:
            preferences["dom.push.serverURL"] = self._push_server
        if self._allowed:
            preferences["permissions.default.desktop-notification"] = 1
        return self._playwright.firefox.launch_persistent_context(
            self._profile,
            executable_path=EXECUTABLES["firefox"],
            channel="moz-firefox",
            headless=True,
            timeout=2 * PATIENCE_MS,
            env={**environment, "MOZ_REMOTE_SETTINGS_DEVTOOLS": "1"},
            reduced_motion="reduce",
            firefox_user_prefs=preferences,
        )

    def page(self) -> Page:
        """A new tab."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    def tabs(self) -> list[str]:
        """The addresses of all tabs that show a page."""
        return [page.url for page in self.context.pages if urlsplit(page.url).scheme.startswith("http")]

    def allow(self, origin: str) -> None:
        """Let a further origin show notifications until the browser is quit; Firefox lets all of them."""
        if self.kind == "chromium":
            self.context.grant_permissions(["notifications"], origin=origin)

    def forbid(self, origin: str) -> None:
        """Take a Chromium origin's permissions away until the browser is quit."""
        self.context.grant_permissions([], origin=origin)

    def quit(self) -> None:
        """Close the browser; its profile stays."""
        self.context.close()

    def start(self) -> None:
        """Start it again on the same profile, with what it remembers."""
        self.context = self._start()

    def dispose(self) -> None:
        """Quit and forget the profile."""
        self.context.close()
        shutil.rmtree(self._home, ignore_errors=True)
