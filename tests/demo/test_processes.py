"""Programs under the supervisor: they end when asked, when killed, and with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pushplatform.demo.process import Child, Died, stop_all, wait_until_ready

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def python(tmp_path: Path, code: str, name: str = "program", **words: object) -> Child:
    return Child(name, [sys.executable, "-c", code], log=tmp_path / f"{name}.log", **words)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def line(file: Path) -> str:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text().endswith("\n")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return file.read_text().strip()


def test_one_that_ends_tells_how_and_shows_the_end_of_its_log(tmp_path):
    child = python(tmp_path, "print('working'); raise SystemExit('the disk is full')")
    child.start()
    child.wait(60)
    with pytest.raises(Died, match=r"program ended with code 1\.(.|\n)*working(.|\n)*the disk is full"):
        child.check()


def test_one_that_was_killed_tells_by_which_signal(tmp_path):
    child = python(tmp_path, "import time; time.sleep(60)")
    child.start()
    child.signal(signal.SIGKILL)
    child.wait(60)
    assert child.obituary().startswith("program was ended by SIGKILL.")


def test_readiness_is_waited_for_and_a_death_meanwhile_is_told_at_once(tmp_path):
    mark = tmp_path / "mark"
    slow = python(
        tmp_path,
        f"import time, pathlib; time.sleep(0.2); pathlib.Path({str(mark)!r}).touch(); time.sleep(60)",
        "slow",
        ready=lambda _: mark.exists(),
    )
    slow.start()
    wait_until_ready([slow], 60)
    assert mark.exists()
    short = python(tmp_path, "raise SystemExit(3)", "short", ready=lambda _: False)
    short.start()
    with pytest.raises(Died, match="short ended with code 3"):
        wait_until_ready([slow, short], 60)
    stop_all([slow, short], 1)


def test_one_that_does_not_listen_is_killed_with_all_it_started(tmp_path):
    pids = tmp_path / "pids"
    child = python(
        tmp_path,
        "import os, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"p = subprocess.Popen(['sleep', '60']); open({str(pids)!r}, 'w').write(str(p.pid) + chr(10)); time.sleep(60)",
    )
    child.start()
    grandchild = int(line(pids))
    assert stop_all([child], 0.3) is False
    assert gone(grandchild)
    assert not child.running


def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path):
    child = python(tmp_path, "import time; time.sleep(60)")
    child.start()
    assert os.getpgid(child.pid) != os.getpgid(0)
    child.kill()


def test_a_killed_supervisor_takes_it_along(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from pushplatform.demo.process import Child;"
        f"c = Child('sleeper', ['sh', '-c', 'echo asleep; exec sleep 60'], log=Path({str(tmp_path / 'log')!r}));"
        "c.start(); print(c.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as parent:
        pid = int(parent.stdout.readline())
        assert line(tmp_path / "log") == "asleep"
        parent.send_signal(signal.SIGKILL)
    assert gone(pid)
