"""What is kept over a restart, and how the process starts and ends."""

from __future__ import annotations

import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.ports import free_port

from .conftest import ROOT, LocalPushProcess, ReceiptsServer, Sender, eventually, notification
from .test_firefox import Firefox, push


class Restartable:
    """One localpush after the other with the same state and port."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.now = LocalPushProcess(state_dir, free_port())

    def restart(self, kill: bool = False) -> LocalPushProcess:
        if kill:
            self.wait_until_saved()
            self.now.kill()
        else:
            assert self.now.stop() == 0
        return self.start()

    def start(self) -> LocalPushProcess:
        self.now = LocalPushProcess(self.state_dir, self.now.port)
        return self.now

    def wait_until_saved(self) -> None:
        eventually(lambda: self.now.statistics()["unsaved"] == 0)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Restartable]:
    restartable = Restartable(tmp_path / "state")
    yield restartable
    restartable.now.stop()


@pytest.mark.parametrize("kill", [False, True])
def test_browsers_inbox_faults_and_counters_survive(service: Restartable, sender: Sender, kill: bool) -> None:
    first = service.now
    browser = first.browser(sender.public_key, label="Anna", behaviour={"close": 1.0, "delay_ms": [5, 9]})
    gone = first.browser(sender.public_key, label="Gone")
    first.call("DELETE", f"/browsers/{gone['id']}")
    sender.post(browser["subscription"], notification("m1"))
    entry = first.in_state("closed", label="Anna")
    first.call("POST", "/faults", {"kind": "503", "label": "Ben", "count": 3, "retry_after": 5})
    faults = first.call("GET", "/faults").json()
    service.wait_until_saved()
    statistics, shown = first.statistics(), first.call("GET", f"/browsers/{browser['id']}").json()

    second = service.restart(kill)
    assert second.call("GET", f"/browsers/{browser['id']}").json() == shown
    assert second.call("GET", f"/inbox/{entry['id']}").json() == entry
    assert second.call("GET", "/faults").json() == faults
    assert second.statistics() == statistics
    assert sender.post(gone["subscription"], notification("m2")).status_code == 410
    assert sender.post(browser["subscription"], notification("m2")).status_code == 201
    assert second.in_state("closed", message="m2")["id"] == entry["id"] + 1


def test_a_message_known_before_the_restart_is_a_repeated_one_after_it(service: Restartable, sender: Sender) -> None:
    browser = service.now.browser(sender.public_key)
    sender.post(browser["subscription"], notification("m"))
    service.now.in_state("shown", message="m")
    second = service.restart()
    sender.post(browser["subscription"], notification("m"))
    second.in_state("repeated", message="m")


def test_waiting_messages_are_delivered_after_a_restart(service: Restartable, sender: Sender) -> None:
    away = service.now.browser(sender.public_key, label="away", behaviour={"online": False})
    sender.post(away["subscription"], notification("kept"), {"Topic": "one"})
    sender.post(away["subscription"], notification("short"), {"TTL": "1"})
    firefox = Firefox(service.now)
    registered = firefox.register(sender.public_key)
    push(sender, registered)
    version = firefox.hear()["version"]

    second = service.restart()
    eventually(lambda: second.inbox(message="short")[0]["state"] == "expired")
    second.call("PATCH", f"/browsers/{away['id']}", {"behaviour": {"online": True}})
    second.in_state("shown", message="kept")
    back = Firefox(second, firefox.uaid)
    assert back.uaid == firefox.uaid
    assert back.hear()["version"] == version
    assert push(sender, registered).status_code == 201
    back.close()


def test_reports_that_were_not_sent_yet_are_sent_after_a_restart(
    service: Restartable, sender: Sender, receipts: ReceiptsServer
) -> None:
    for seconds in (2.5, 10, 40):  # a busy machine may end it too late: then once more, with more time before the click
        message, behaviour = f"later {seconds}", {"click": 1.0, "delay_ms": [int(seconds * 1000)] * 2}
        browser = service.now.browser(sender.public_key, behaviour=behaviour, receipts_url=receipts.url)
        sender.post(browser["subscription"], notification(message))
        eventually(lambda message=message: receipts.of(message))
        assert service.now.stop() == 0
        before = receipts.of(message)
        second = service.start()
        if "clicked" not in before:
            break
    assert before == ["received", "shown"]
    eventually(lambda: receipts.of(message) == ["received", "shown", "clicked"])
    second.in_state("clicked", message=message)


def test_the_state_is_readable_by_its_owner_alone(service: Restartable) -> None:
    path = service.state_dir / "localpush.sqlite3"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_ends_though_senders_hang_and_browsers_listen(service: Restartable, sender: Sender) -> None:
    browser = service.now.browser(sender.public_key)
    Firefox(service.now).register(sender.public_key)
    service.now.call("POST", "/faults", {"kind": "hang"})
    hanging = socket.create_connection(("127.0.0.1", service.now.port))
    path = browser["subscription"]["endpoint"].removeprefix(service.now.base)
    hanging.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    eventually(lambda: service.now.statistics()["faults"].get("hang") == 1)
    service.now.process.send_signal(signal.SIGTERM)
    assert service.now.process.wait(30) == 0
    hanging.close()
    service.restart()


def run_and_fail(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pushplatform.localpush", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_second_process_with_the_same_state_is_refused(service: Restartable) -> None:
    assert "another localpush" in run_and_fail("--port", "0", "--state-dir", str(service.state_dir))


def test_state_of_another_make_is_refused_and_left_alone(tmp_path: Path) -> None:
    newer = tmp_path / "localpush.sqlite3"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "another version" in run_and_fail("--port", "0", "--state-dir", str(tmp_path))
    newer.write_bytes(b"this is a letter, not a database" * 50)
    assert "no localpush state" in run_and_fail("--port", "0", "--state-dir", str(tmp_path))
    assert newer.read_bytes().startswith(b"this is a letter")
    assert "state-dir" in run_and_fail("--port", "0", "--state-dir", "/dev/null/state")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--port", "70000"), "--port"),
        (("--port", "http"), "--port"),
        (("--keep", "0"), "--keep"),
        (("--public-url", "push.example"), "--public-url"),
        (("--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"), "--tls-cert"),
    ],
)
def test_a_wrong_option_is_named(options: tuple[str, ...], word: str) -> None:
    assert word in run_and_fail(*options)


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in run_and_fail("--port", str(port))


def test_endpoints_begin_with_the_public_url_and_tokens_are_signed_for_it(sender: Sender) -> None:
    behind = LocalPushProcess.__new__(LocalPushProcess)
    command = [sys.executable, "-m", "pushplatform.localpush", "--port", "0", "--public-url", "https://push.example/"]
    behind.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert behind.process.stdout is not None
    assert behind.process.stdout.readline() == "localpush is ready at https://push.example/\n"
    behind.process.terminate()
    assert behind.process.wait(30) == 0
    behind.process.stdout.close()
