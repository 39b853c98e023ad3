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


def pretend(clone: Path, *, uv_works: bool = True) -> Path:
    """An environment whose pip and uv only write down how they were called; the file they write to."""
    calls, programs = clone / "calls", clone / ".venv" / "bin"
    interpreter(programs, "python", f'[ "$1" = -m ] && echo "$@" >> {calls}; exec {sys.executable} -c "" "$@"')
    interpreter(programs, "uv", f'echo "uv $@" >> {calls}; exit {0 if uv_works else 1}')
    return calls


def test_the_second_time_nothing_is_done_until_the_pins_change(clone):
    calls = pretend(clone)
    assert install(clone).returncode == 0
    assert install(clone).returncode == 0
    assert calls.read_text().count("uv pip install") == 1
    (clone / "requirements" / "run.txt").write_text("# something\n")
    assert install(clone).returncode == 0
    assert calls.read_text().count("uv pip install") == 2


@pytest.mark.parametrize("uv_works", [True, False])
def test_whoever_installs_the_packages_their_hashes_are_required(clone, uv_works):
    calls = pretend(clone, uv_works=uv_works)
    assert install(clone).returncode == 0
    lines = [line for line in calls.read_text().splitlines() if " install " in line]
    assert ["requirements/run.txt" in line for line in lines] == ([False, True] if uv_works else [False, True, True])
    assert all("--require-hashes" in line for line in lines)


def test_the_index_that_pip_was_told_is_told_to_uv(clone):
    calls = pretend(clone)
    interpreter(clone / ".venv" / "bin", "uv", f'echo "uv asks $UV_DEFAULT_INDEX" >> {calls}')
    assert install(clone, PIP_INDEX_URL="https://packages.example/simple").returncode == 0
    assert "uv asks https://packages.example/simple\n" in calls.read_text()


def test_a_failed_installation_is_not_taken_for_done(clone):
    interpreter(clone / ".venv" / "bin", "python", '[ "$1" = -m ] && exit 1; exit 0')
    for _ in range(2):
        done = install(clone)
        assert done.returncode == 1
        assert "The packages could not be installed" in done.stderr
