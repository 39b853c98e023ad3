import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from pushplatform.environment import Environment, WrongSetting
from pushplatform.sites.management.commands.settings_page import settings_page

ROOT = Path(__file__).resolve().parents[2]
SOUND = {"SECRET_KEYS": "k" * 50, "DATABASE_URL": "postgresql:///nowhere"}


def run_check(**variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=kept | variables, capture_output=True, text=True
    )


def test_sound_settings_start():
    assert run_check(**SOUND).returncode == 0


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SECRET_KEYS", "", "not set"),
        ("SECRET_KEYS", "short", "shorter than 40"),
        ("DATABASE_URL", "mysql://x", "postgresql://"),
        ("DATABASE_URL", "postgresql://h/d?nonsense=1", "nonsense"),
        ("PUSH_UNRECORDED_MAX", "many", "not a whole number"),
        ("PUSH_LEASE_SECONDS", "0", "not between 1"),
        ("DEBUG", "maybe", "neither true nor false"),
        ("BASE_URL", "push.example", "is not an origin"),
        ("CELERY_BROKER_URL", "kafka://x", "does not start with redis://"),
        ("PUSH_PROXY", "proxy:3128", "does not start with http://"),
        ("ENVIRONMENT", "staging", "is not one of"),
        ("PUSH_HOSTS_ROUTED", "jmt17.google.com=http://127.0.0.1:1", "refused in production"),
        ("PUSH_ALLOW_LOOPBACK", "true", "refused in production"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(name, value, says):
    done = run_check(**{**SOUND, name: value})
    assert done.returncode != 0
    assert f"Wrong setting: {name}:" in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_variable_is_as_good_as_none():
    assert Environment({"N": " "}).integer("N", 7, "A number.") == 7


def test_pairs_without_a_value_are_refused():
    with pytest.raises(WrongSetting, match="HOSTS: 'a' is not name=value"):
        Environment({"HOSTS": "a"}).pairs("HOSTS", "Routes.")


def test_the_page_of_settings_is_up_to_date():
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page(), "run: make docs"


def test_no_setting_is_declared_twice():
    names = [variable.name for variable in settings.DECLARED]
    assert len(names) == len(set(names))
