"""How each part of the platform is started: its command line and how to see that it is ready."""

from __future__ import annotations

import http.client
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pushplatform.demo.place import ROOT
from pushplatform.demo.process import Child

HOST = "127.0.0.1"
LAID = "laid"  # the line with which `prepare` tells that the database and the Site are there
PASSWORDS = "DEMO_PASSWORDS"


def answers(port: int, path: str = "/") -> bool:
    """Whether GET `path` on this machine's `port` answers 200."""
    return _get(port, path)[0] == 200


def broker_open(port: int) -> bool:
    """Whether the web process on `port` has opened its broker connection."""
    status, body = _get(port, "/health")
    return status in (200, 503) and bool(json.loads(body)["broker"])


def _get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; status 0 when nothing answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


class Programs:
    """Makes the platform's processes for one environment; `logs` and `run` (marks, schedules) are folders."""

    def __init__(self, env: Mapping[str, str], logs: Path, run: Path):
        self.env = {**env, "PYTHONUNBUFFERED": "1"}
        self.logs = logs
        self.run = run
        for folder in (logs, run):
            folder.mkdir(parents=True, exist_ok=True)

    def web(self, port: int, *, broker: bool = True) -> Child:
        """Ready when its first page answers, and with `broker` when it has opened its broker connection too."""
        return self._child(
            "web",
            *("uvicorn", "pushplatform.asgi:application", "--host", HOST, "--port", str(port)),
            *("--no-access-log", "--no-proxy-headers", "--timeout-graceful-shutdown", "1"),
            ready=lambda child: answers(port, "/admin/login/") and (not broker or broker_open(port)),
        )

    def worker(self, name: str, queues: str, processes: int) -> Child:
        """A Celery worker for `queues` (names with commas between)."""
        mark = self.run / f"{name}.ready"
        return self._child(
            name,
            *("pushplatform.demo.worker", str(mark), "--queues", queues, "--concurrency", str(processes)),
            *("--hostname", f"{name}@%h", "--loglevel", "INFO"),
            ready=lambda child: mark.exists() and mark.read_text() == str(child.pid),
        )

    def beat(self) -> Child:
        schedule = self.run / "beat-schedule"
        return self._child(
            "beat",
            *("celery", "--app", "pushplatform", "beat", "--schedule", str(schedule), "--pidfile", ""),
            *("--loglevel", "INFO"),
        )

    def localpush(self, port: int, state: Path) -> Child:
        return self._child(
            "localpush",
            *("pushplatform.localpush", "--host", HOST, "--port", str(port), "--state-dir", str(state)),
            ready=lambda child: answers(port, "/health"),
            death_signal=signal.SIGTERM,
        )

    def shop(self, port: int, platform: str, site: str, identity_secret: str) -> Child:
        return self._child(
            "shop",
            *("pushplatform.demo.shop", "--port", str(port), "--platform", platform, "--site", site),
            env={"IDENTITY_SECRET": identity_secret},
            ready=lambda child: answers(port),
        )

    def prepare(self, kept: Path, ports: Sequence[int], passwords: Mapping[str, str], stdout: int) -> Child:
        """Makes schema, Site and demo data, then ends; its progress goes to the descriptor `stdout`."""
        return self._child(
            "prepare",
            *("pushplatform.demo.prepare", str(kept), *(str(port) for port in ports)),
            env={PASSWORDS: json.dumps(dict(passwords))},
            stdout=stdout,
        )

    def _child(
        self,
        name: str,
        *words: str,
        env: Mapping[str, str] | None = None,
        ready: Child.Ready | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        stdout: int | None = None,
    ) -> Child:
        return Child(
            name,
            [sys.executable, "-m", *words],
            log=self.logs / f"{name}.log",
            env={**self.env, **(env or {})},
            cwd=ROOT,
            ready=ready,
            death_signal=death_signal,
            stdout=stdout,
        )
