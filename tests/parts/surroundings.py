"""The settings every test runs with: set before Django reads them, inherited by every process a test starts."""

import os

from django.conf import settings

from tests.parts import database

SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "pushplatform.settings",
    "ENVIRONMENT": "test",
    "SECRET_KEYS": "tests-only-" + "k" * 50,
    "BASE_URL": "http://localhost:8000",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
    # A poke from the test process itself goes nowhere; a Stack has a real broker.
    "CELERY_BROKER_URL": "memory://",
    "PUSH_ALLOW_LOOPBACK": "true",
    "PRIVACY_JOURNAL": "off",
    "PUSH_LEASE_SECONDS": "2",
    "PUSH_SWEEP_SECONDS": "1",
    "LOG_LEVEL": "INFO",
}


def prepare() -> bool:
    """Sets the environment and chooses the run's database server; whether this is the first process of the run."""
    for name in [name for name in os.environ if name.startswith("PUSH_")]:
        del os.environ[name]  # what somebody tries out in a shell is not what is tested
    os.environ.update(SETTINGS)
    first = database.begin()
    _ = settings.DATABASES  # read now: pytest-django sets Django up only when it finds settings that were read
    return first
