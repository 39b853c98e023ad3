"""The platform as it runs in life, as a marketer and a CRM see it: admin pages, HTTP API and statistics."""

import secrets
import time
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page

from pushplatform.demo.foundation import lay
from tests.browser.browsers import Browser
from tests.parts.stack import Stack

PASSWORD = secrets.token_urlsafe(12)
PATIENCE_SECONDS = 60.0


class RealPlatform:
    """A running Stack with a shop Site, its accounts and its CRM's key."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self._foundation = lay(folder / "foundation.json", stack.shop_url, {"marketer": PASSWORD})
        stack.start_shop(self._foundation.site_id, self._foundation.identity_secret)
        self.shop_url = stack.shop_url

    # What the CRM does

    def sends(self, **message: Any) -> str:
        """POST /api/v1/messages; the message's id once it is accepted for somebody."""
        answer = self.asks(**message)
        assert answer["recipients_queued"] == 1, answer
        return str(answer["id"])

    def asks(self, **message: Any) -> dict[str, Any]:
        """POST /api/v1/messages; the answer."""
        answer = self._call("POST", "/messages", json=message, headers={"Idempotency-Key": secrets.token_hex(8)})
        assert answer.status_code == 202, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def statistics(self, message_id: str) -> dict[str, int]:
        """The counters of a message that are not zero."""
        answer = self._call("GET", f"/messages/{message_id}")
        assert answer.status_code == 200, answer.text
        return {name: number for name, number in answer.json()["statistics"].items() if number}

    def counts(self, message_id: str, **expected: int) -> None:
        """Wait until the statistics say exactly this."""
        until = time.monotonic() + PATIENCE_SECONDS
        while (said := self.statistics(message_id)) != expected and time.monotonic() < until:
            time.sleep(0.1)
        assert said == expected

    def _call(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._foundation.api_key}", **more.pop("headers", {})}
        return requests.request(
            method, f"{self.stack.web_url}/api/v1{path}", headers=headers, timeout=PATIENCE_SECONDS, **more
        )

    def logs(self) -> str:
        """The end of what each part has written, for a test that failed."""
        return "\n".join(f"--- {name}\n{self.stack.log(name)[-2000:]}" for name in self.stack.children)


class Marketer:
    """Somebody at the admin, in a tab of a real browser."""

    def __init__(self, browser: Browser, platform: RealPlatform) -> None:
        self._admin = f"{platform.stack.web_url}/admin"
        self.page: Page = browser.page()
        self.page.goto(f"{self._admin}/login/")
        self.page.fill("input[name=username]", "marketer")
        self.page.fill("input[name=password]", PASSWORD)
        self.page.locator("[type=submit]").first.click()
        self.page.wait_for_url(lambda url: "/login/" not in url)

    def launches(self, title: str, body: str, url: str) -> None:
        """Write a campaign for everyone who agreed to offers, and launch it."""
        page = self.page
        page.goto(f"{self._admin}/campaigns/campaign/add/")
        page.fill("input[name=name]", title)
        page.get_by_text("Everyone", exact=True).first.click()
        page.select_option("select[name=purpose]", label="Offers")
        page.fill("input[name=title]", title)
        page.fill("textarea[name=body]", body)
        page.fill("input[name=url]", url)
        page.locator("button[name=_launch]").click()
        page.locator("#launch-dialog").get_by_role("button", name="Launch to 1 device").click()
        page.get_by_role("heading", name="What came of it").wait_for()

    def reads(self, *names: str) -> dict[str, str]:
        """The figures on the campaign's statistics page, freshly loaded."""
        self.page.reload()
        return {name: self.page.locator(f".pp-funnel [data-live={name}]").inner_text() for name in names}

    def waits_for(self, **expected: str) -> None:
        """Wait until the statistics page says exactly this."""
        until = time.monotonic() + PATIENCE_SECONDS
        while (said := self.reads(*expected)) != expected and time.monotonic() < until:
            self.page.wait_for_timeout(200)
        assert said == expected
