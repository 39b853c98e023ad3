"""Follows the process that prepares the demo: its lines are progress for people, its end means the demo is filled."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pushplatform.demo.process import Died
from pushplatform.demo.programs import LAID, Programs


class Preparation:
    """`laid`: database and Site are there. `done`: the demo is filled."""

    def __init__(
        self,
        programs: Programs,
        kept: Path,
        ports: Sequence[int],
        passwords: Mapping[str, str],
        say: Callable[[str], None],
    ):
        self._say = say
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        self.child = programs.prepare(kept, ports, passwords, stdout=writer)
        self.child.start()
        os.close(writer)
        self._rest = b""
        self.laid = False

    @property
    def done(self) -> bool:
        return not self.child.running

    def check(self) -> None:
        """Passes on new lines. Raises Died when it failed."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._reader, 4096):
                self._rest += part
        *lines, self._rest = self._rest.split(b"\n")
        for line in (line.decode(errors="replace") for line in lines):
            if line == LAID:
                self.laid = True
            else:
                self._say(line)
        if self.done and self.child.exit_code != 0:
            raise Died(self.child.obituary())

    def close(self) -> None:
        os.close(self._reader)
