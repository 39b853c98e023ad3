"""`python -m pushplatform.demo`, the real one: what it promises while it starts, runs, is stopped and is killed."""

import http.cookiejar
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from pushplatform.demo.reach import private_place
from pushplatform.demo.reset import reset
from tests.parts.ports import run_of_free_ports

REPOSITORY = Path(__file__).resolve().parent.parent.parent
KEYS = {"base_url", "admin_url", "admin", "marketer", "site_id", "shop_url", "api_key", "inbox_url"}


class Demo:
    """One demo in a folder of its own, started and stopped as a person would."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = run_of_free_ports(8)
        self.output = folder.with_name("output")
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
        env |= {"DEMO_DIR": str(self.folder), "DEMO_PORT": str(self.port)}
        words = [sys.executable, "-m", "pushplatform.demo"]
        with self.output.open("w") as out:
            self.process = subprocess.Popen(words, cwd=REPOSITORY, env=env, stdout=out, stderr=out)
        self.wait_for(lambda: "The demo runs" in self.said(), 300)

    def said(self) -> str:
        return self.output.read_text()

    def facts(self) -> dict:
        return json.loads((self.folder / "demo.json").read_text())

    def wait_for(self, done, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """Every living process that belongs to it, by number."""
        mark, found = str(self.folder).encode(), {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words, variables = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
                except OSError:
                    continue
                if words and (b"DEMO_DIR=" + mark in variables or mark in words):
                    found[int(entry.name)] = words.replace(b"\0", b" ").decode()
        return found

    def ends(self, sent: signal.Signals, seconds: float) -> dict[int, str]:
        """What is left `seconds` after this signal."""
        self.process.send_signal(sent)
        self.process.wait(seconds)
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    demo = Demo(tmp_path_factory.mktemp("demo") / "var")
    demo.start()
    yield demo
    if demo.process.poll() is None:
        demo.ends(signal.SIGKILL, 60)
    reset(demo.folder)
    assert not demo.folder.exists()
    assert not private_place(demo.folder / "postgres").exists()


def page(address: str, opener=None, data: dict | None = None) -> tuple[int, str]:
    body = urllib.parse.urlencode(data).encode() if data else None
    request = urllib.request.Request(address, body, {"Referer": address})
    with (opener or urllib.request.build_opener()).open(request, timeout=60) as answer:
        return answer.status, answer.read().decode()


def test_programs_find_in_a_private_file_what_people_read_in_the_panel(demo):
    facts = demo.facts()
    assert set(facts) == KEYS
    assert stat.S_IMODE((demo.folder / "demo.json").stat().st_mode) == 0o600
    panel = demo.said().split("The demo runs")[1]
    for word in (facts["admin_url"], facts["shop_url"], facts["inbox_url"], facts["api_key"]):
        assert word in panel
    for login in (facts["admin"], facts["marketer"]):
        assert f"{login['username']} / {login['password']}" in panel


def test_progress_with_the_time_was_shown_while_it_started(demo):
    lines = re.findall(r"^ *\d+\.\d s  (.*)$", demo.said(), re.MULTILINE)
    assert len(lines) >= 4
    assert "PostgreSQL 18 runs" in lines[0]


@pytest.mark.parametrize("who", ["admin", "marketer"])
def test_both_people_of_the_panel_can_log_in(demo, who):
    facts = demo.facts()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    login = facts["admin_url"] + "login/"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page(login, opener)[1])[1]
    status, text = page(login, opener, {**facts[who], "csrfmiddlewaretoken": token, "next": "/admin/"})
    assert status == 200
    assert "logout" in text.lower()


def test_shop_inbox_and_health_answer(demo):
    facts = demo.facts()
    for address in (facts["shop_url"], facts["inbox_url"], facts["inbox_url"] + "inbox.json?limit=1"):
        assert page(address)[0] == 200
    assert json.loads(page(facts["base_url"] + "/health")[1]) == {"database": True, "broker": True}


def test_the_recipes_of_the_api_work_in_the_demo_as_they_stand(demo):
    facts, docs = demo.facts(), REPOSITORY / "docs" / "api"
    env = {"PUSH_API": facts["base_url"] + "/api/v1", "PUSH_KEY": facts["api_key"], "PYTHONDONTWRITEBYTECODE": "1"}
    recipes = re.findall(r"^```python\n(.*?)^```$", (docs / "recipes.md").read_text(), re.MULTILINE | re.DOTALL)
    said = [
        subprocess.run(
            [sys.executable, "-c", recipe], cwd=docs / "clients", env=env, capture_output=True, text=True, timeout=120
        )
        for recipe in recipes
    ]
    assert [one.stdout.strip() for one in said] == ["1 queued, 0 skipped", "cancelled", "sales-3: queued"], said


def test_a_killed_worker_is_started_again_and_that_is_said(demo):
    is_worker = "--hostname targeted@"
    (before,) = (
        pid for pid, words in demo.processes().items() if is_worker in words and parent(pid) == demo.process.pid
    )
    os.kill(before, signal.SIGKILL)
    mark = demo.folder / "run" / "targeted.ready"
    demo.wait_for(lambda: mark.read_text() not in ("", str(before)), 120)
    assert "targeted ended and is started again: targeted was ended by SIGKILL" in demo.said()


def parent(pid: int) -> int:
    return int(re.search(r"^PPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def test_ctrl_c_leaves_no_process_a_second_start_keeps_the_data_and_a_kill_leaves_no_process_either(demo):
    before = demo.facts()
    assert demo.ends(signal.SIGINT, 60) == {}
    assert demo.process.returncode == 0
    with socket.create_server(("127.0.0.1", demo.port + 1)):
        demo.start()
    after = demo.facts()
    assert f"Port {demo.port + 1} is busy: the shop takes {demo.port + 3} instead." in demo.said()
    assert {key: after[key] for key in KEYS - {"shop_url"}} == {key: before[key] for key in KEYS - {"shop_url"}}
    assert page(after["shop_url"])[0] == 200
    assert demo.ends(signal.SIGKILL, 60) == {}
