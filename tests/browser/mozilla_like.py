"""A push service for Firefox, on this machine."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class MozillaLike:
    """A localpush of its own, in memory, to which Firefox connects at `url`."""

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/"
        self._command = [sys.executable, "-m", "pushplatform.localpush", "--port", str(port)]
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "ready" not in line:
            self.stop()
            raise RuntimeError(f"localpush did not start: {line!r}")

    def forget_everybody(self) -> None:
        """Crash and come back knowing no browser: each gets a new identity and has lost its subscriptions."""
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
