"""A person with a browser in front of the shop: what tests say they do, in the words of somebody watching."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from playwright.sync_api import Locator, Page, expect

from tests.browser.browsers import PATIENCE_MS, Browser
from tests.browser.notification_daemon import Alert, Desktop

Found = TypeVar("Found")
expect.set_options(timeout=PATIENCE_MS)


class Visitor:
    """One tab of one browser on one shop, and the desktop on which that browser's notifications appear."""

    def __init__(self, browser: Browser, desktop: Desktop, shop_url: str) -> None:
        self.browser, self.desktop, self.shop_url = browser, desktop, shop_url
        self.page: Page = browser.page()
        self.complaints: list[str] = []
        self._came_after = len(desktop.alerts)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    # Going about

    def visit(self, path: str = "/") -> "Visitor":
        """Open a page of the shop and wait until the platform's script has said what is so."""
        self.page.goto(self.shop_url + path)
        self.page.wait_for_selector("html[data-push]")
        return self

    def sign_in(self, name: str) -> None:
        self.visit("/account")
        self.page.get_by_role("button", name=name).click()
        self.page.get_by_role("button", name="Sign out").wait_for()
        self.page.wait_for_selector("html[data-push]")

    def sign_out(self) -> None:
        self.visit("/account")
        self.page.get_by_role("button", name="Sign out").click()
        self.page.get_by_role("heading", name="Who is there?").wait_for()
        self.page.wait_for_selector("html[data-push]")

    def leave(self) -> None:
        """Close the tab; the browser and its service workers live on."""
        self.page.close()

    def tabs(self) -> list[str]:
        """The addresses of this shop's open tabs, without the shop's own origin."""
        return [url.removeprefix(self.shop_url) for url in self.browser.tabs() if url.startswith(self.shop_url)]

    # The card

    @property
    def card(self) -> Locator:
        return self.page.locator("push-platform-card .card")

    def press_the_bell(self) -> Locator:
        """Ask for the card as a visitor does."""
        self.page.locator(".bell").click()
        self.card.wait_for()
        return self.card

    def tick(self, *purposes: str) -> None:
        for purpose in purposes:
            self.card.locator(f"input[name={purpose}]").check()

    def press(self, label: str) -> None:
        """Press a button of the card."""
        self.card.get_by_role("button", name=label).click()

    def allow(self, *purposes: str) -> "Visitor":
        """Say yes to these purposes, and to the browser's own question, and wait until all is done."""
        self.press_the_bell()
        self.tick(*purposes)
        self.press("Yes, please")
        self.page.wait_for_selector("html[data-push=subscribed]")
        expect(self.card).to_contain_text("settled")
        self.press("Close")
        return self

    # The platform's script

    def state(self) -> dict[str, Any]:
        """What the browser itself knows: PushPlatform.state()."""
        return cast("dict[str, Any]", self.page.evaluate("PushPlatform.state()"))

    def call(self, expression: str) -> dict[str, Any]:
        """Evaluate an expression of the public face; a rejection becomes {"code": …, "message": …}."""
        script = f"""(async () => {{
            try {{ return {{ value: await ({expression}) }}; }}
            catch (error) {{ return {{ code: error.code ?? error.name, message: error.message }}; }}
        }})()"""
        return cast("dict[str, Any]", self.page.evaluate(script))

    def tells_of_reports(self, waiting: int) -> None:
        """Wait until so many reports of the worker wait to be sent: it keeps and forgets them after it has acted."""
        script = "async (waiting) => (await PushPlatform.state()).reports_waiting === waiting"
        self.page.wait_for_function(script, arg=waiting)

    # Notifications

    def sees(self, title: str) -> Alert:
        """Wait for a notification with this title at the desktop."""
        return self._pumped(lambda: self.alerts(title), f"a notification titled {title!r}")[-1]

    def alerts(self, title: str) -> list[Alert]:
        """Every notification with this title since this visitor came, oldest first."""
        return [alert for alert in self.desktop.alerts[self._came_after :] if alert.title == title]

    def clicks(self, alert: Alert) -> None:
        self.desktop.click(alert)

    def presses(self, alert: Alert, label: str) -> None:
        self.desktop.press(alert, label)

    def dismisses(self, alert: Alert) -> None:
        self.desktop.dismiss(alert)

    def is_led_to(self, path: str) -> None:
        """Wait for a tab of the shop with this path."""
        self._pumped(lambda: path in self.tabs(), f"a tab with {path}; there are {self.tabs()}")

    def _pumped(self, look: Callable[[], Found], what: str) -> Found:
        """Wait while the browser's events keep flowing: a blocked thread would not learn of new tabs."""
        waiting = next(iter(self.browser.context.pages))
        for _ in range(PATIENCE_MS // 20):
            if found := look():
                return found
            waiting.wait_for_timeout(20)
        shown = [alert.title for alert in self.desktop.alerts[self._came_after :]]
        raise AssertionError(f"{what} did not appear; notifications so far: {shown}")
