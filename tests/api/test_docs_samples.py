"""What docs/api says to paste is what is run here: every block of every page, against running processes."""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from django.utils import timezone

from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import Site
from pushplatform.webpush.keys import b64url
from subscribers import purposes
from subscribers.models import Contact, Device, Subscription
from tests.api.over_http import ALL
from tests.campaigns.shop import grant, new_client, withdraw
from tests.campaigns.world import World
from tests.localpush.conftest import LocalPushProcess, eventually
from tests.parts.needs import require_program
from tests.parts.stack import Stack

DOCS: Final = Path(__file__).resolve().parents[2] / "docs" / "api"
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLIENTS: Final = {"py": "push_platform.py", "mjs": "push-platform.mjs", "php": "PushPlatform.php"}


def blocks(page: str, language: str) -> list[str]:
    return [text for found, text in _BLOCK.findall((DOCS / page).read_text()) if found == language]


@pytest.fixture(scope="module")
def stack(begin_module_stack) -> Stack:
    return begin_module_stack(web=True, targeted=True)


@pytest.fixture(scope="module")
def push() -> Iterator[LocalPushProcess]:
    process = LocalPushProcess()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def site(stack: Stack, push: LocalPushProcess) -> Site:
    """People as those of the demo whom the pages name."""
    world = World(push)
    purposes.add(world.site, "order_updates", "service", "Orders", {"en": "Tell me about my orders."})
    purposes.add(world.site, "team_alerts", "service", "Leads", {"en": "Tell me about hot leads."})
    _person(world, stack, "CRM-42", "sales-3", "offers", "order_updates", "measurement")
    withdraw(_person(world, stack, "CRM-43", "", "offers"), "order_updates")
    _person(world, stack, "sales-3", "", "team_alerts")
    return world.site


def _person(world: World, stack: Stack, external_id: str, owner: str, *keys: str) -> Device:
    """A contact whose simulated browser reports what it does."""
    contact = Contact.objects.create(
        site=world.site, external_id=external_id, owner=owner, attributes={"first_name": "Anna"}
    )
    receipts = f"{stack.web_url}/push/v1/receipts"
    browser = world.push.browser(b64url(bytes(world.key.public_key)), label=external_id, receipts_url=receipts)
    now = timezone.now()
    device = Device.objects.create(
        site=world.site, contact=contact, service=6, vapid_key=world.key, subscribed_at=now, last_seen_at=now
    )
    Subscription.objects.bulk_create([world._subscription(device, browser)])
    grant(device, "personal_data", *keys)
    return device


@pytest.fixture
def place(stack: Stack, site: Site, push: LocalPushProcess, tmp_path: Path) -> Path:
    """A folder as somebody has it who follows the pages: the demo's facts, docs, and a client beside the sample."""
    facts = {
        "base_url": stack.web_url,
        "api_key": make_key(new_client(site, *ALL)).text,
        "inbox_url": f"{push.base}/",
    }
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "demo.json").write_text(json.dumps(facts))
    (tmp_path / "docs").symlink_to(DOCS.parent)
    for name in CLIENTS.values():
        shutil.copy(DOCS / "clients" / name, tmp_path)
    return tmp_path


def run(place: Path, *command: str, **settings: str) -> str:
    """What the command wrote to stdout and stderr; it must not fail."""
    facts = json.loads((place / "var" / "demo.json").read_text())
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "SECRET"))},
        "PUSH_API": f"{facts['base_url']}/api/v1",
        "PUSH_KEY": facts["api_key"],
        "PUSH_RETRIES": "0",
        **settings,
    }
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


UNTIL_SHOWN: Final = """
sleep() {  # as long as it takes here, not as long as a person would give it
  id=$(echo "$SENT" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
  until curl -s "$PUSH_API/messages/$id/deliveries" \
    -H "Authorization: Bearer $PUSH_KEY" | grep -q '"shown_at": *"'; do command sleep 0.2; done
}
"""


def test_the_quickstart_sends_and_shows_what_became_of_it(place: Path, push: LocalPushProcess) -> None:
    require_program("curl")
    steps = [UNTIL_SHOWN, *blocks("quickstart.md", "sh")]
    assert any(step.startswith("sleep ") for step in steps)
    marked = "".join(f"{step}echo '--- end of step'\n" for step in steps)
    _, root, sent, inbox, deliveries, retry, wrong = run(place, "sh", "-euc", marked).split("--- end of step\n")[:-1]
    assert "messages:send" in json.loads(root)["scopes"]
    assert [one.get("reason") for one in json.loads(sent)["results"]] == [None, "consent_withdrawn"]
    assert push.base in inbox

    def titles() -> list[str]:
        return [one["payload"]["notification"]["title"] for one in push.inbox(label="CRM-42")]

    assert "Order 1042 is on its way" in titles()
    eventually(lambda: "Once" in titles())
    assert titles().count("Once") == 1
    (delivery,) = json.loads(deliveries)["data"]
    assert delivery["accepted_at"]
    assert delivery["shown_at"]
    first, second = retry.split("HTTP/1.1 202")[1:]
    assert "replayed" not in first.lower()
    assert "idempotent-replayed: true" in second.lower()
    assert re.findall(r'"id":"(msg_\w+)"', first) == re.findall(r'"id":"(msg_\w+)"', second) != []
    assert json.loads(wrong)["errors"][0]["code"] in ("required", "unknown_field")


def test_the_curl_client_does_what_its_page_shows(place: Path) -> None:
    require_program("curl")
    said = run(place, "sh", "-euc", "".join(blocks("clients.md", "sh")))
    assert '"status":"queued","devices":1' in said
    assert '"code":"invalid_request"' in said
    assert "refused, see above" in said


def test_the_python_client_does_what_its_page_shows(place: Path) -> None:
    (sample,) = blocks("clients.md", "python")
    _shown_by_sample(run(place, require_program("python3"), "-c", sample))


def test_the_node_client_does_what_its_page_shows(place: Path) -> None:
    (sample,) = blocks("clients.md", "js")
    (place / "sample.mjs").write_text(sample)
    _shown_by_sample(run(place, require_program("node"), "sample.mjs"))


def test_the_php_client_does_what_its_page_shows(place: Path) -> None:
    (sample,) = blocks("clients.md", "php")
    (place / "sample.php").write_text(sample)
    _shown_by_sample(run(place, require_program("php"), "sample.php"))


def _shown_by_sample(said: str) -> None:
    assert re.search(r"^CRM-42 queued", said, re.MULTILINE), said
    assert re.search(r"^dev_\w+ (queued|accepted|received|shown|clicked|closed)", said, re.MULTILINE), said
    assert "refused: invalid_" in said, said
    assert "/recipients" in said.replace("\\/", "/"), said


SENDING: Final = {
    "curl": ("sh", "-c", ". docs/api/clients/push.sh; push POST /messages '{}' one-key"),
    "python3": (
        *("python3", "-c"),
        "import os; from push_platform import PushPlatform; print(PushPlatform(os.environ['PUSH_API'], 'k').send({}))",
    ),
    "node": (
        *("node", "--input-type=module", "-e"),
        'const { PushPlatform } = await import("./push-platform.mjs");'
        "console.log(JSON.stringify(await new PushPlatform(process.env.PUSH_API, 'k').send({})))",
    ),
    "php": (
        *("php", "-r"),
        "require 'PushPlatform.php'; echo json_encode((new PushPlatform(getenv('PUSH_API'), 'k'))->send([]));",
    ),
}


class _Shaky(http.server.ThreadingHTTPServer):
    """Out of order at first, then a connection that is lost, then an answer that is, then it accepts: by client, which
    names itself by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ShakyHandler)
        self.keys: dict[str, list[str | None]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _ShakyHandler(http.server.BaseHTTPRequestHandler):
    server: _Shaky

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        keys = self.server.keys.setdefault(self.path.split("/")[1], [])
        keys.append(self.headers["Idempotency-Key"])
        if len(keys) == 2:
            self.close_connection = True
            return
        if len(keys) > 2:
            self._say(202, b'{"id": "msg_1"}', cut_off=len(keys) == 3)
        else:
            self._say(503, b'{"code": "unavailable", "detail": ""}', cut_off=True)

    def do_GET(self) -> None:
        """Refuses whoever reads."""
        self.server.keys.setdefault(self.path.split("/")[1], []).append(None)
        self._say(401, b'{"code": "invalid_api_key", "detail": ""}')

    def _say(self, status: int, body: bytes, *, cut_off: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")  # as proxies in between may say it
        self.end_headers()
        self.wfile.write(body[:7] if cut_off else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_every_client_tries_again_under_the_same_key(place: Path) -> None:
    for program in SENDING:
        require_program(program)
    with _Shaky() as server, ThreadPoolExecutor() as pool:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        begun = {
            program: pool.submit(run, place, *command, PUSH_API=f"{server.url}/{program}", PUSH_RETRIES="5")
            for program, command in SENDING.items()
        }
        said = {program: one.result() for program, one in begun.items()}
        server.shutdown()
    for program in SENDING:
        assert "msg_1" in said[program]
        assert len(server.keys[program]) == 4
        assert None not in server.keys[program]
        assert len(set(server.keys[program])) == 1


def test_what_is_refused_is_not_tried_again(place: Path) -> None:
    code = (
        "from push_platform import *\nimport os\n"
        "try: PushPlatform(os.environ['PUSH_API'], 'pp_wrong_key').contact('CRM-42')\n"
        "except NotAllowed as error: print(error.code)"
    )
    with _Shaky() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = run(place, "python3", "-c", code, PUSH_API=f"{server.url}/python3", PUSH_RETRIES="5")
        server.shutdown()
    assert said.strip() == "invalid_api_key"
    assert len(server.keys["python3"]) == 1


def test_every_recipe_works(place: Path, push: LocalPushProcess) -> None:
    update, cart, lead = blocks("recipes.md", "python")
    python = require_program("python3")
    assert run(place, python, "-c", update).strip() == "1 queued, 0 skipped"
    assert run(place, python, "-c", update).strip() == "1 queued, 0 skipped"  # of the stored answer
    assert run(place, python, "-c", cart).strip() == "cancelled"
    assert run(place, python, "-c", lead).strip() == "sales-3: queued"
    titles = [push.in_state("shown", label=who)["payload"]["notification"]["title"] for who in ("CRM-42", "sales-3")]
    assert titles[1] == "CRM-42 is hot"
    updates = [one for one in push.inbox(label="CRM-42") if one["payload"]["notification"]["title"] == "Order 1042"]
    assert len(updates) == 1


def test_every_block_of_the_pages_is_run() -> None:
    languages = {
        "quickstart.md": {"console", "sh"},
        "clients.md": {"sh", "python", "js", "php"},
        "recipes.md": {"python"},
    }
    for page, known in languages.items():
        assert {language for language, _ in _BLOCK.findall((DOCS / page).read_text())} == known


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
