"""Starts programs that write to a log file, die with the process that started them, and are stopped in order.

Start children from a thread that lives as long as the process: the kernel's death signal is sent when the *thread*
that started a child ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")


class Died(Exception):
    """A program that should run has ended; the text says which, how, and shows the end of its log."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system account a program runs under."""

    uid: int
    gid: int


class Child:
    """One program of ours with its log, started again with the same words as often as wanted."""

    Ready = Callable[["Child"], bool]

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        cwd: Path | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        stop_signal: signal.Signals = signal.SIGTERM,
        stdout: int | None = None,
        ready: Ready | None = None,
    ):
        """`death_signal` is what the kernel sends when the parent is gone; `stdout` is a descriptor beside the log.

        `ready` tells whether it does its work already; None: as soon as it runs.
        """
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = dict(os.environ if env is None else env)
        self.account = account
        self.cwd = cwd
        self.death_signal = death_signal
        self.stop_signal = stop_signal
        self.stdout = stdout
        self.ready = ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it in a session of its own, so that Ctrl-C in the terminal reaches the supervisor alone."""
        account = f"{self.account.uid}:{self.account.gid}" if self.account else "-"
        words = [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), str(int(self.death_signal)), account]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                words + self.command,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log if self.stdout is None else self.stdout,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id; it stays the same when the started program takes over."""
        if self.process is None:
            raise Died(f"{self.name} was never started")
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when one ended it."""
        return None if self.process is None else self.process.poll()

    def check(self) -> None:
        """Raises Died when it has ended."""
        if not self.running:
            raise Died(self.obituary())

    def obituary(self, lines: int = 15) -> str:
        """How it ended and the last lines of its log."""
        code = self.exit_code
        how = (
            f"was ended by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with code {code}"
        )
        return f"{self.name} {how}. " + self.end_of_log(lines)

    def end_of_log(self, lines: int = 15) -> str:
        end = "\n".join(f"    {line}" for line in self.tail(lines)) or "    (it wrote nothing)"
        return f"The end of {self.log}:\n{end}"

    def tail(self, lines: int = 15) -> list[str]:
        """The last lines of its log, at most 16 kB of them."""
        try:
            with open(self.log, "rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - 16_384))
                return log.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the program alone; nothing happens when it has ended."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it and everything it started, at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self, seconds: float = 5.0) -> bool:
        """Asks it to end and waits; kills it and answers False when `seconds` were not enough."""
        return stop_all([self], seconds)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`."""
        if self.process is None:
            return True
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def wait_until_ready(
    children: Iterable[Child], seconds: float = 30.0, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Returns when all are ready; calls `meanwhile` again and again, which may raise to give up.

    Raises Died when one ends or is not ready after `seconds`.
    """
    deadline = time.monotonic() + seconds
    waiting = list(children)
    while waiting:
        meanwhile()
        for child in waiting:
            child.check()
        waiting = [child for child in waiting if child.ready is not None and not child.ready(child)]
        if waiting and time.monotonic() > deadline:
            raise Died(f"{waiting[0].name} was not ready after {seconds:.0f} s. " + waiting[0].end_of_log())
        if waiting:
            time.sleep(0.02)


def stop_all(children: Iterable[Child], seconds: float) -> bool:
    """Asks all to end, waits for them together, kills what is left; whether all ended by themselves in time."""
    children = [child for child in children if child.process is not None]
    for child in children:
        child.signal(child.stop_signal)
    deadline = time.monotonic() + seconds
    late = [child for child in children if not child.wait(max(0.0, deadline - time.monotonic()))]
    for child in children:
        child.kill()  # its session too: what it started must not stay behind
    return not late
