"""Real browsers, started once, and for each test a shop on an origin of its own with a platform of its own."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Playwright, sync_playwright

from pushplatform.demo.shop.site import DEFAULT_PEOPLE, Shop
from tests.browser.browsers import Browser, Kind, missing
from tests.browser.fake_gcm import HOST, FakeGcm
from tests.browser.mozilla_like import MozillaLike
from tests.browser.notification_daemon import Desktop
from tests.browser.stub_platform import StubPlatform
from tests.browser.visitor import Visitor
from tests.parts.needs import require
from tests.parts.ports import free_port

#: `s0.localhost`, `s1.localhost`, … are secure origins of their own without a hosts file, so that one browser serves
#: many tests and none sees what another left behind.
ORIGINS = 64
_origin = itertools.count()


@pytest.fixture(scope="package")
def desktop() -> Iterator[Desktop]:
    require(missing("chromium") is None or missing("firefox") is None, "no browser to drive")
    service = Desktop()
    yield service
    service.stop()


@pytest.fixture(scope="package")
def gcm() -> Iterator[FakeGcm]:
    service = FakeGcm()
    yield service
    service.stop()


@pytest.fixture(scope="package")
def push_service() -> Iterator[MozillaLike]:
    """A push service for Firefox."""
    service = MozillaLike(free_port())
    yield service
    service.stop()


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Ends with this package: its event loop in this thread would be in the way of every other test."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as driver:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Django takes that loop for asynchronous code
        yield driver


@pytest.fixture(scope="package")
def shop_port() -> int:
    """One port for all shops of a run, one after the other: browsers hold their permissions by origin."""
    return free_port()


@pytest.fixture(scope="package")
def chromium(playwright: Playwright, desktop: Desktop, gcm: FakeGcm, shop_port: int) -> Iterator[Browser]:
    require(missing("chromium") is None, missing("chromium") or "")
    allowed = tuple(f"http://s{number}.localhost:{shop_port}" for number in range(ORIGINS))
    denied = (f"http://blocked.localhost:{shop_port}",)
    browser = Browser(playwright, "chromium", desktop=desktop, allowed=allowed, denied=denied, gcm=gcm)
    yield browser
    browser.dispose()


@pytest.fixture(scope="package")
def firefox(playwright: Playwright, desktop: Desktop, push_service: MozillaLike) -> Iterator[Browser]:
    require(missing("firefox") is None, missing("firefox") or "")
    browser = Browser(playwright, "firefox", desktop=desktop, allowed=("*",), push_server=push_service.url)
    yield browser
    browser.dispose()


@pytest.fixture(params=["chromium", "firefox"])
def browser(request: pytest.FixtureRequest) -> Browser:
    """Each browser in turn; a test that needs only one names it."""
    kind: Kind = request.param
    chosen: Browser = request.getfixturevalue(kind)
    return chosen


@pytest.fixture
def platform(gcm: FakeGcm) -> Iterator[StubPlatform]:
    stub = StubPlatform({HOST: gcm.url})
    yield stub
    stub.stop()


@pytest.fixture
def shop_pages(platform: StubPlatform) -> Shop:
    """The shop's own server, for tests that break something of it."""
    return Shop(platform=platform.base, site=platform.site, people=DEFAULT_PEOPLE, secret="stub identity secret")


@pytest.fixture
def shop(shop_pages: Shop, shop_port: int) -> Iterator[str]:
    """The shop's address on an origin no other test has used."""
    host = f"s{next(_origin) % ORIGINS}.localhost:{shop_port}"

    async def of_this_test(scope: Any, receive: Any, send: Any) -> None:
        """A tab that an earlier test has opened, and that loads only now, is not led to the platform of this one."""
        if dict(scope["headers"])[b"host"].decode() in (host, f"blocked.localhost:{shop_port}"):
            await shop_pages(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(of_this_test, host="127.0.0.1", port=shop_port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.01)
    yield f"http://{host}"
    server.should_exit = server.force_exit = True
    thread.join()  # the next shop takes the same port


@pytest.fixture
def visit(desktop: Desktop, shop: str) -> Iterator[Callable[..., Visitor]]:
    """`visit(browser, path)`: a visitor in front of the shop; the tab is closed after the test."""
    visitors: list[Visitor] = []

    def come(browser: Browser, path: str = "/", url: str | None = None) -> Visitor:
        visitors.append(Visitor(browser, desktop, url or shop))
        return visitors[-1].visit(path)

    yield come
    for visitor in visitors:
        for page in visitor.browser.context.pages[1:]:
            page.close()
        assert visitor.complaints == []
