"""The platform over servers that somebody else runs: the oldest PostgreSQL, Redis, RabbitMQ."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.parts import database
from tests.parts.ports import run_of_free_ports

REPOSITORY = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_the_demo_uses_the_database_and_broker_it_is_given(tmp_path, request, system_postgres_url, broker):
    broker_url = request.getfixturevalue(f"{broker}_url")
    name = f"demo_{broker}"
    with psycopg.connect(f"{system_postgres_url}/postgres", autocommit=True) as connection:
        connection.execute(f"create database {name}")
    given = {"DATABASE_URL": f"{system_postgres_url}/{name}", "CELERY_BROKER_URL": broker_url}
    env = {**os.environ, **given, "DEMO_DIR": str(tmp_path / "var"), "DEMO_PORT": str(run_of_free_ports(3))}
    words = [sys.executable, "-m", "pushplatform.demo"]
    with subprocess.Popen(words, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, text=True) as demo:
        said = ""
        for line in demo.stdout:
            said += line
            if "The demo runs" in line:
                demo.send_signal(signal.SIGINT)
        demo.wait(60)
    assert demo.returncode == 0, said
    assert "(DATABASE_URL)" in said
    assert "(CELERY_BROKER_URL)" in said
    assert not (tmp_path / "var" / "postgres" / "data").exists()
    with psycopg.connect(f"{system_postgres_url}/{name}") as connection:
        (sites,) = connection.execute("select count(*) from site").fetchone()
    assert sites == 1
    assert json.loads((tmp_path / "var" / "demo.json").read_text())["site_id"].startswith("site_")


def test_the_tests_of_the_data_pass_on_the_oldest_postgresql(system_postgres_url):
    hidden = (database.RUN, database.GIVEN, "DATABASE_URL", "CELERY_BROKER_URL")
    env = {name: value for name, value in os.environ.items() if name not in hidden and not name.startswith("PYTEST_")}
    env["DATABASE_URL"] = f"{system_postgres_url}/postgres"
    words = [sys.executable, "-m", "pytest", "-q", "tests/sites", "tests/subscribers", "tests/campaigns"]
    done = subprocess.run(words, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    with psycopg.connect(f"{system_postgres_url}/postgres") as connection:
        left = connection.execute("select datname from pg_database where starts_with(datname, 'test_')").fetchall()
    assert left == []
