"""Fixtures that start real parts. Session-scoped ones start once in each process of the run."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.parts import brokers, database
from tests.parts.stack import Stack
from tests.parts.system_postgres import system_postgres

_serial = itertools.count(1)
_stacks: pytest.StashKey[list[Stack]] = pytest.StashKey()
BeginStack = Callable[..., Stack]


def _own(what: str) -> Path:
    """A folder that no other process of the run takes for the same: one may be done, and remove it, before another."""
    return database.run_folder() / f"{what}-{os.getpid()}-{next(_serial)}"


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """The database of the tests that roll back: one for each process of the run."""
    with django_db_blocker.unblock(), database.fresh():
        yield


@pytest.fixture
def fresh_database(django_db_blocker: Any) -> Iterator[str]:
    """An empty migrated database for one test that really commits; gives its address.

    It is Django's default database meanwhile, and DATABASE_URL for processes started by the test.
    """
    with django_db_blocker.unblock(), database.fresh() as url:
        yield url


@pytest.fixture(scope="module")
def module_database(django_db_blocker: Any) -> Iterator[str]:
    """The same for all tests of one module together."""
    with django_db_blocker.unblock(), database.fresh() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server of this process of the run; database 0 is the Stack's broker."""
    with brokers.redis_server(_own("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """A RabbitMQ server of this process of the run."""
    with brokers.rabbitmq_server(_own("rabbitmq")) as url:
        yield url


@pytest.fixture(scope="session")
def system_postgres_url() -> Iterator[str]:
    """The PostgreSQL of the system's packages; its address lacks the database's name."""
    with system_postgres(_own("system-postgres")) as url:
        yield url


@pytest.fixture
def begin_stack(request: pytest.FixtureRequest, fresh_database: str) -> Iterator[BeginStack]:
    """`begin_stack(worker=True, web=True, broker="redis", env={…})` → a running Stack over `fresh_database`."""
    yield from _begin(request, fresh_database)


@pytest.fixture(scope="module")
def begin_module_stack(request: pytest.FixtureRequest, module_database: str) -> Iterator[BeginStack]:
    """The same over `module_database`; it runs until the module's tests are done."""
    yield from _begin(request, module_database)


def _begin(request: pytest.FixtureRequest, database_url: str) -> Iterator[BeginStack]:
    with ExitStack() as stops:

        def begin(*, broker: str = "pgmq", env: Mapping[str, str] | None = None, **parts: Any) -> Stack:
            broker_url = "pgmq://localhost" if broker == "pgmq" else request.getfixturevalue(f"{broker}_url")
            if broker != "pgmq":
                brokers.empty(broker_url)
            folder = _own(f"stack-{request.node.name[:30].replace('/', '_')}")
            stack = Stack(folder, database_url, broker_url, env)
            stops.callback(stack.stop)
            request.node.stash.setdefault(_stacks, []).append(stack)
            return stack.start(**parts)

        yield begin


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure comes with the last lines of every process of its Stacks: their folder is gone when it is read."""
    report = yield
    if report.failed:
        for stack in itertools.chain.from_iterable(node.stash.get(_stacks, []) for node in item.listchain()):
            report.sections += [(f"the end of {name}.log", stack.log(name)[-4000:]) for name in stack.children]
    return report
