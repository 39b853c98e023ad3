"""The demo's folder: one demo at a time, secrets for the owner alone, ports that are remembered."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pushplatform.demo.ports import choose, first_port
from pushplatform.demo.reset import reset
from pushplatform.demo.state import State, Unusable
from tests.parts.ports import run_of_free_ports

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "var")
    state.prepare()
    return state


@pytest.fixture
def said():
    return []


def choose_elsewhere(first: int, kept: Path) -> list[str]:
    """What another process chooses: ports are held as long as the process that chose them lives."""
    code = (
        "import sys; from pathlib import Path; from pushplatform.demo.ports import choose;"
        "p = choose(int(sys.argv[1]), Path(sys.argv[2]), print); print(p.platform, p.shop, p.push)"
    )
    words = [sys.executable, "-c", code, str(first), str(kept)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_second_demo_of_the_same_folder_is_told_where_the_first_one_is(state):
    runs = pytest.raises(Unusable, match=rf"runs already \(process {os.getpid()}\)")
    with state.alone(), runs as refusal, State(state.folder).alone():
        pass
    assert str(state.panel_file) in str(refusal.value)


def test_secrets_stay_and_only_the_owner_may_read_them(state):
    made = state.secrets()
    assert State(state.folder).secrets() == made
    assert len({made.secret_key, made.admin, made.marketer}) == 3
    assert len(made.secret_key) >= 50
    assert stat.S_IMODE(state.secrets_file.stat().st_mode) == 0o600


def test_ports_in_a_row_are_taken_and_kept_for_the_next_start(tmp_path):
    first = run_of_free_ports(3)
    kept = tmp_path / "ports.json"
    expected = [f"{first} {first + 1} {first + 2}"]
    assert choose_elsewhere(first, kept) == expected
    assert choose_elsewhere(first, kept) == expected


def test_a_busy_port_is_said_and_the_next_one_that_nobody_wants_is_taken(tmp_path):
    first = run_of_free_ports(5)
    with socket.create_server(("127.0.0.1", first + 1)):
        lines = choose_elsewhere(first, tmp_path / "ports.json")
    assert lines == [
        f"Port {first + 1} is busy: the shop takes {first + 3} instead.",
        f"{first} {first + 3} {first + 2}",
    ]


def test_a_port_busy_on_the_other_address_of_localhost_is_busy(tmp_path):
    first = run_of_free_ports(4)
    try:
        listener = socket.create_server(("::1", first), family=socket.AF_INET6)
    except OSError:
        return  # a machine without IPv6 has no other address
    with listener:
        assert choose_elsewhere(first, tmp_path / "ports.json")[-1].split()[0] == str(first + 3)


def test_two_demos_that_start_together_get_different_ports(tmp_path, said):
    first = run_of_free_ports(8)
    ours = choose(first, tmp_path / "ours.json", said.append)
    theirs = [int(port) for port in choose_elsewhere(first, tmp_path / "theirs.json")[-1].split()]
    assert not {ours.platform, ours.shop, ours.push} & set(theirs)
    assert said == []


def test_after_moving_aside_for_once_the_first_ports_are_taken_again(tmp_path):
    first = run_of_free_ports(5)
    kept = tmp_path / "ports.json"
    choose_elsewhere(first, kept)
    with socket.create_server(("127.0.0.1", first)):
        assert choose_elsewhere(first, kept)[-1].split() == [str(first + 3), str(first + 1), str(first + 2)]
    assert choose_elsewhere(first, kept) == [f"{first} {first + 1} {first + 2}"]


@pytest.mark.parametrize("text", ["http", "0", "-1", "70000", "80.5"])
def test_a_first_port_that_is_none_is_refused_by_name(text):
    with pytest.raises(Unusable, match=r"DEMO_PORT: .* is not a port\. Give a whole number"):
        first_port(text)


def test_a_reset_forgets_the_demo_and_nothing_else(state):
    state.secrets()
    (state.folder / "bench").mkdir()
    reset(state.folder)
    assert [path.name for path in state.folder.iterdir()] == ["bench"]
    (state.folder / "bench").rmdir()
    reset(state.folder)
    assert not state.folder.exists()


def test_a_running_demo_is_not_reset(state):
    with state.alone(), pytest.raises(Unusable, match="runs already"):
        reset(state.folder)
    assert state.folder.exists()


if os.geteuid() == 0:  # only root can become another user

    def test_a_folder_of_another_user_is_refused_with_what_to_do():
        folder = Path(tempfile.mkdtemp(prefix="pushplatform-test-"))
        folder.chmod(0o755)
        State(folder / "var").prepare()
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.setuid(65534)
            try:
                State(folder / "var").prepare()
            except Unusable as refusal:
                os.write(writer, str(refusal).encode())
            finally:
                os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        text = os.read(reader, 1000).decode()
        os.close(reader)
        shutil.rmtree(folder)
        assert text.startswith(f"{folder / 'var'} belongs to root: the demo was started as root before.")
        assert "`make demo-reset` as root" in text
