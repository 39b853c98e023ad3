"""A localpush process for the whole run and a Site for each test, in a database that really commits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pushplatform.webpush.transport import Transport
from tests.localpush.conftest import LocalPushProcess

if TYPE_CHECKING:
    from tests.campaigns.world import World


@pytest.fixture(scope="session")
def push_service() -> Iterator[LocalPushProcess]:
    process = LocalPushProcess()
    yield process
    process.stop()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """What this process sends does not depend on how fast it is, or how soon it is answered.

    While it waits it works at no other Batch (of an earlier test, for instance), and it may stand still for longer than
    the usual lease of tests. Tests of just that set it otherwise.
    """
    from campaigns import flights  # noqa: PLC0415  (Django is set up after this file is read)

    monkeypatch.setattr(flights, "NESTING_SECONDS", 0.0)
    settings.PUSH_LEASE_SECONDS = 60


@pytest.fixture
def world(push_service: LocalPushProcess, module_database: str) -> Iterator[World]:
    from tests.campaigns.world import World  # noqa: PLC0415  (Django is set up after this file is read)

    yield World(push_service)
    push_service.call("DELETE", "/faults")


@pytest.fixture
def transport() -> Iterator[Transport]:
    from campaigns.worker_process import make_transport  # noqa: PLC0415

    opened = make_transport()
    yield opened
    opened.close()


@pytest.fixture
def other(world: World, push_service: LocalPushProcess) -> World:
    """Another Site at the same push service."""
    from tests.campaigns.world import World  # noqa: PLC0415

    return World(push_service)


@pytest.fixture
def small(settings: Any) -> None:
    """Few in flight, so that few hundred devices are many."""
    settings.PUSH_UNRECORDED_MAX = 64
    settings.PUSH_BATCH_SIZE = 50


@pytest.fixture
def sweeps(settings: Any, module_database: str) -> None:
    """As often as `pace.step` has it; what earlier tests left queued is over."""
    from campaigns.models import Batch, Retry  # noqa: PLC0415

    settings.PUSH_SWEEP_SECONDS = 10
    Batch.objects.update(state=Batch.State.DONE)
    Retry.objects.all().delete()
