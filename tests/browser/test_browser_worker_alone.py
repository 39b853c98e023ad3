"""The service worker where no browser can be started here: Safari's declarative pushes, and storage that fails."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.browser.stub_platform import notification
from tests.parts.needs import require_program

SCRIPT = Path(__file__).with_name("worker_alone.mjs")
SAFARI = "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


def push(agent: str, **event: Any) -> dict[str, Any]:
    """What the worker shows and sends for one push event."""
    node = require_program("node")
    text = json.dumps({"agent": agent, "push": event})
    done = subprocess.run([node, str(SCRIPT)], input=text, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_safaris_own_notification_is_replaced_by_one_that_says_where_it_leads() -> None:
    given = notification("Hello", token="tok", url="https://push.example/c/1", body="There", data={"s": 25})

    result = push(SAFARI, notification=given)

    (shown,) = result["shown"]
    assert shown["title"] == "Hello"
    assert shown["options"]["body"] == "There"
    assert shown["options"]["navigate"] == "https://push.example/c/1"
    # Sent at once although the campaign spreads its reports, for Safari ends a worker soon after its push.
    assert [report["kind"] for report in result["sent"][0]["reports"]] == ["received", "shown"]
    assert result["settled"]


def test_other_browsers_follow_a_click_through_the_worker_alone() -> None:
    given = {"notification": notification("Hello", token="tok", url="https://shop.example/a")}

    result = push(CHROME, data=json.dumps(given))

    assert "navigate" not in result["shown"][0]["options"]
    assert result["shown"][0]["options"]["data"]["url"] == "https://shop.example/a"


def test_a_browser_without_storage_shows_and_reports_all_the_same() -> None:
    given = {"notification": notification("Hello", token="tok", url="https://shop.example/a")}

    result = push(CHROME, data=json.dumps(given))

    assert [shown["title"] for shown in result["shown"]] == ["Hello"]
    assert [sent["url"] for sent in result["sent"]] == ["https://push.example/push/v1/receipts"]
    assert {report["token"] for report in result["sent"][0]["reports"]} == {"tok"}


def test_a_push_without_any_payload_shows_the_name_of_the_site() -> None:
    result = push(CHROME)

    assert [shown["title"] for shown in result["shown"]] == ["shop.example"]
    assert result["sent"] == []
