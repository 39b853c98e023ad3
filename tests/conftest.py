"""What every test may use: databases, brokers, and running parts of the platform. The real ones, started once."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.parts import surroundings

FIRST = surroundings.prepare()  # before Django reads its settings

from tests.parts import database  # noqa: E402
from tests.parts.needs import IN_CI  # noqa: E402

pytest_plugins = ["tests.parts.fixtures"]

# An example that takes longer than 200 ms says something of the machine, and of no property.
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    if FIRST and getattr(config.option, "numprocesses", None):
        database.start_server()  # here, because a worker that started it could end before the others


def pytest_unconfigure() -> None:
    if FIRST:
        database.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("django_db"):
            if mark.kwargs.get("transaction") or (mark.args and mark.args[0]):
                raise pytest.UsageError(
                    f"{item.nodeid}: the consent ledger cannot be flushed. Use the fixture fresh_database instead of "
                    "django_db(transaction=True)."
                )


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter is not None and reporter.stats.get("skipped") and not session.exitstatus:
        reporter.write_line("A test was skipped: with CI=true that is a failure.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
