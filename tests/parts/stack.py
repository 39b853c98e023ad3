"""Runs real parts of the platform as processes: web, workers, beat and localpush, over one database and one broker."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pushplatform.broker import pgmq_options
from pushplatform.demo.process import Child, stop_all, wait_until_ready
from pushplatform.demo.programs import Programs
from pushplatform.environment import Environment
from tests.parts.ports import free_port


class Stack:
    """Parts that were started together and are stopped together. `children` are the processes by name."""

    def __init__(self, folder: Path, database_url: str, broker_url: str, env: Mapping[str, str] | None = None):
        self.folder = folder
        self.web_port, self.push_port, self.shop_port = free_port(), free_port(), free_port()
        self.web_url = f"http://localhost:{self.web_port}"
        self.push_url = f"http://127.0.0.1:{self.push_port}"
        self.shop_url = f"http://localhost:{self.shop_port}"
        self.env = {
            **os.environ,
            "BASE_URL": self.web_url,
            "DATABASE_URL": database_url,
            "CELERY_BROKER_URL": broker_url,
            **(env or {}),
        }
        self.programs = Programs(self.env, folder, folder)
        self.children: dict[str, Child] = {}

    def start(
        self,
        *,
        web: bool = False,
        worker: bool = False,
        targeted: bool = False,
        beat: bool = False,
        localpush: bool = False,
        processes: int = 1,
        seconds: float = 120.0,
    ) -> Stack:
        """Starts these parts and returns when all are ready; may be called again for others.

        `worker` takes the queues campaign and chores with `processes` pool processes, `targeted` its own queue.
        """
        programs = self.programs
        begun = [
            *([programs.localpush(self.push_port, self.folder / "localpush")] if localpush else []),
            *([programs.web(self.web_port)] if web else []),
            *([programs.worker("worker", "campaign,chores", processes)] if worker else []),
            *([programs.worker("targeted", "targeted", 1)] if targeted else []),
            *([programs.beat()] if beat else []),
        ]
        for child in begun:
            self.children[child.name] = child
            child.start()
        wait_until_ready(begun, seconds)
        return self

    def start_shop(self, site: str, identity_secret: str) -> None:
        """Starts the demo's shop for the Site with this public id."""
        shop = self.programs.shop(self.shop_port, self.web_url, site, identity_secret)
        self.children["shop"] = shop
        shop.start()
        wait_until_ready([shop], 120)

    def kill(self, name: str) -> None:
        """kill -9 of that part alone, as a crash would; the kernel takes its pool processes with it."""
        self.children[name].signal(signal.SIGKILL)
        self.children[name].wait(30)

    def restart(self, name: str) -> None:
        """Starts a part again that has ended, and waits until it is ready."""
        self.children[name].start()
        wait_until_ready([self.children[name]], 120)

    @property
    def broker_options(self) -> dict[str, Any]:
        """What a Celery app of one's own needs beside the broker's address."""
        if not self.env["CELERY_BROKER_URL"].startswith("pgmq"):
            return {}
        return pgmq_options(Environment(self.env).database("DATABASE_URL", self.env["DATABASE_URL"], ""))

    def log(self, name: str) -> str:
        """What that part has written so far."""
        return self.children[name].log.read_text(errors="replace")

    def stop(self, seconds: float = 0.0) -> None:
        """Ends everything: at once, or after asking and waiting for `seconds`; the database is thrown away anyway."""
        stop_all(self.children.values(), seconds)
