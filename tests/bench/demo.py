"""P11: from `make demo` to the first page, on a machine that has the packages; the first start and the second.

A page counts when the database is prepared too, not when a form without data behind it can be shown.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.parts.ports import run_of_free_ports

ROOT = Path(__file__).resolve().parents[2]
MARKS = {"first_page_s": "the first page answers", "panel_s": "The demo runs"}
PATIENCE_S = 300.0


def run() -> dict[str, Any]:
    """Seconds from the command; `panel_s` is when everything runs and the demo is filled. No peer, so no ratios."""
    folder = Path(tempfile.mkdtemp(prefix="pushplatform-bench-"))
    folder.chmod(0o755)
    try:
        first = _start(folder, port := run_of_free_ports(3))
        second = _start(folder, port)
    finally:
        subprocess.run(
            ["make", "-s", "demo-reset"], cwd=ROOT, env=_env(folder, 0), stdout=subprocess.DEVNULL, check=True
        )
        shutil.rmtree(folder)
    return {**first, **{f"second_{name}": seconds for name, seconds in second.items()}, "ratios": {}}


def _start(folder: Path, port: int) -> dict[str, float]:
    began = time.monotonic()
    seconds: dict[str, float] = {}
    with subprocess.Popen(
        ["make", "-s", "demo"],
        cwd=ROOT,
        env=_env(folder, port),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        said = []
        for line in demo.stdout:
            said.append(line)
            for name, mark in MARKS.items():
                if mark in line:
                    seconds[name] = round(time.monotonic() - began, 2)
            if len(seconds) == len(MARKS) or time.monotonic() - began > PATIENCE_S:
                break
        os.killpg(demo.pid, signal.SIGINT)  # what Ctrl-C in the terminal does
        demo.stdout.read()
    if len(seconds) < len(MARKS):
        raise RuntimeError("the demo did not start:\n" + "".join(said))
    return seconds


def _env(folder: Path, port: int) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    return {**given, "DEMO_DIR": str(folder / "var"), "DEMO_PORT": str(port or "")}
