"""A push service that counts, campaigns that real workers send to it, and servers that may be broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.campaigns.conftest import push_service  # noqa: F401
from tests.faults.faulty_service import FaultyService, faulty_service
from tests.parts.fixtures import BeginStack
from tests.webpush.conftest import Certificate, certificate, certify  # noqa: F401

if TYPE_CHECKING:
    from tests.faults.running import Running

BeginService = Callable[..., FaultyService]
BeginRunning = Callable[..., "Running"]


@pytest.fixture
def begin_service(certificate: Certificate) -> Iterator[BeginService]:  # noqa: F811
    """`begin_service(delay_ms=…, kinds=…, shares=…)` → a push service that fails so; see faulty_service.mjs."""
    with ExitStack() as ends:
        yield lambda **options: ends.enter_context(faulty_service(certificate, **options))


@pytest.fixture
def begin_run(begin_service: BeginService, begin_stack: BeginStack) -> BeginRunning:
    """`begin_run(devices, delay_ms=…, held_from=…, env={…}, broker=…, processes=…)` → a campaign to be launched.

    `delay_ms`: what the push service takes for an answer, so that there is a middle in which something can happen;
    `held_from`: the part of the answers after which it holds all others back, see `Running.finished`.
    """
    from tests.faults.running import HELD_FROM, begin_running  # noqa: PLC0415  (Django is set up after this is read)

    def begin(
        devices: int,
        *,
        delay_ms: int = 100,
        held_from: float = HELD_FROM,
        env: dict[str, str] | None = None,
        **parts: Any,
    ) -> Running:
        service = begin_service(delay_ms=delay_ms, hold_after=int(devices * held_from))
        return begin_running(begin_stack, service, devices, env=env or {}, **parts)

    return begin
