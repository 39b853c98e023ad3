"""`requirements/install.sh`: clear words where Python is missing or the environment is somebody else's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def clone(tmp_path):
    (tmp_path / "requirements").mkdir()
    shutil.copy(REPOSITORY / "requirements" / "install.sh", tmp_path / "requirements")
    (tmp_path / "requirements" / "run.txt").write_text("# nothing\n")
    return tmp_path


def install(clone: Path, **env: str) -> subprocess.CompletedProcess:
    words = ["/bin/sh", str(clone / "requirements" / "install.sh"), "run"]
    return subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **env})


def interpreter(folder: Path, name: str, body: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def test_without_a_new_enough_python_it_says_which_one_is_needed(clone):
    for name in ("python3", "python", "python3.11", "python3.12", "python3.13", "python3.14"):
        interpreter(clone / "bin", name, "exit 1")
    done = install(clone, PATH=f"{clone / 'bin'}:/usr/bin:/bin")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed and was not found" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_python_without_its_venv_module_is_told_by_debians_package(clone):
    interpreter(clone / "bin", "half", 'case "$1" in -m) echo "ensurepip is not available"; exit 1;; esac')
    done = install(clone, PYTHON=str(clone / "bin" / "half"))
    assert done.returncode == 1
    assert "ensurepip is not available" in done.stderr
    assert "apt-get install python3-venv" in done.stderr
    assert not (clone / ".venv").exists()


def test_the_second_time_nothing_is_done_until_the_pins_change(clone):
    calls = clone / "calls"
    interpreter(
        clone / ".venv" / "bin", "python", f'[ "$1" = -m ] && echo "$@" >> {calls}; exec {sys.executable} -c "" "$@"'
    )
    assert install(clone).returncode == 0
    assert install(clone).returncode == 0
    assert calls.read_text().count("pip install") == 1
    (clone / "requirements" / "run.txt").write_text("# something\n")
    assert install(clone).returncode == 0
    assert calls.read_text().count("pip install") == 2
    assert calls.read_text().count("--require-hashes") == 2


def test_a_failed_installation_is_not_taken_for_done(clone):
    interpreter(clone / ".venv" / "bin", "python", '[ "$1" = -m ] && exit 1; exit 0')
    for _ in range(2):
        done = install(clone)
        assert done.returncode == 1
        assert "The packages could not be installed" in done.stderr
