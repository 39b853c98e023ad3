"""Makes the database ready, lays the demo's Site, and fills it once everything runs; started by the supervisor.

`python -m pushplatform.demo.prepare FOUNDATION_FILE PLATFORM_PORT SHOP_PORT PUSH_PORT`. Each line it prints is progress
for people, but for LAID: the database and FOUNDATION_FILE are ready.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import django
import psycopg
from django.conf import settings
from django.core.management import call_command

import pushplatform.celery  # noqa: F401  (tasks are sent by this app)
from pushplatform.broker_tables import install_pgmq
from pushplatform.demo.programs import LAID, PASSWORDS, answers

LEAST_VERSION = 15
PATIENCE_S = 60.0


def main(arguments: list[str]) -> None:
    kept, (platform, shop, push) = Path(arguments[0]), (int(port) for port in arguments[1:])
    django.setup()  # while the database server starts
    from pushplatform.demo.foundation import lay  # noqa: PLC0415  (models can be imported from here on)
    from pushplatform.demo.seed import Places, seed  # noqa: PLC0415

    await_database(os.environ["DATABASE_URL"])
    make_schema()
    places = Places(f"http://localhost:{platform}", f"http://localhost:{shop}", f"http://127.0.0.1:{push}")
    foundation = lay(kept, places.shop, json.loads(os.environ[PASSWORDS]))
    print(LAID, flush=True)
    _await_answers({platform: "/admin/login/", shop: "/", push: "/health"})
    seed(foundation, places, lambda line: print(line, flush=True))


def await_database(url: str, seconds: float = PATIENCE_S) -> None:
    """Returns when the database takes connections; ends the program with a sentence when it will not do."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with psycopg.connect(url, connect_timeout=5) as connection:
                version = connection.info.server_version // 10_000
                break
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline or "does not exist" in str(error) or "authentication" in str(error):
                sys.exit(f"DATABASE_URL: the database cannot be used: {error}")
            time.sleep(0.02)
    if version < LEAST_VERSION:
        sys.exit(f"DATABASE_URL: PostgreSQL {version} is too old, {LEAST_VERSION} is the least.")


def make_schema() -> None:
    """Brings the schema to this version."""
    if settings.CELERY_BROKER_URL.startswith("pgmq"):
        install_pgmq(os.environ["DATABASE_URL"])
    call_command("migrate", verbosity=0)
    call_command("make_partitions", verbosity=0)


def _await_answers(pages: dict[int, str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    for port, page in pages.items():
        while not answers(port, page):
            if time.monotonic() > deadline:
                sys.exit(
                    f"Waited {PATIENCE_S:.0f} s for http://localhost:{port}{page}. The logs beside this one say more."
                )
            time.sleep(0.05)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")
    main(sys.argv[1:])
