"""What a worker process keeps from batch to batch: its connections, and whether it has been asked to end."""

import mmap
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery.signals import worker_init, worker_process_init, worker_shutting_down
from django.conf import settings

from pushplatform.webpush.transport import Transport

# One octet of memory shared by the worker and the pool processes it forks: they cannot be told otherwise in time.
_ending = mmap.mmap(-1, 1)
_transport: Transport | None = None


def is_ending() -> bool:
    """Whether the worker was asked to end: no further request is to be started."""
    return _ending[0] != 0


def open_transport() -> Transport:
    """This process's transport, made when first needed (after the fork)."""
    global _transport
    if _transport is None:
        _transport = make_transport()
    return _transport


def close_transport() -> None:
    """Breaks off whatever may be under way; the next batch gets a new transport."""
    global _transport
    if _transport is not None:
        _transport.close()
        _transport = None


def make_transport() -> Transport:
    """A transport as the settings say."""
    return Transport(
        connect_timeout=settings.PUSH_CONNECT_TIMEOUT,
        answer_timeout=settings.PUSH_ANSWER_TIMEOUT,
        allow_loopback=settings.PUSH_ALLOW_LOOPBACK,
        routed=settings.PUSH_HOSTS_ROUTED,
        proxy=settings.PUSH_PROXY or None,
    )


@contextmanager
def until_asked_to_end() -> Iterator[Callable[[], bool]]:
    """Gives a function that tells when this process is to end; a SIGTERM meanwhile takes effect afterwards.

    Where processes are managed in groups the signal reaches pool processes too, in the middle of a batch. When their
    worker ends as well, it ends them itself, once it has heard that the batch is done.
    """
    asked = []
    before = signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    try:
        yield lambda: bool(asked) or is_ending()
    finally:
        signal.signal(signal.SIGTERM, before)
    if asked and not is_ending():
        os.kill(os.getpid(), signal.SIGTERM)


@worker_shutting_down.connect
def _tell_pool(**_: Any) -> None:
    """In the worker's main process, at SIGTERM: the pool processes end their batches."""
    _ending[0] = 1


_gives_way = False


@worker_init.connect
def _look_at_queues(sender: Any, **_: Any) -> None:
    """In the worker's main process: whether it sends campaigns and no order updates."""
    global _gives_way
    queues = sender.app.amqp.queues.consume_from
    _gives_way = "campaign" in queues and "targeted" not in queues


@worker_process_init.connect
def _give_way(**_: Any) -> None:
    """In a pool process: where cores are short, the web and targeted sends come first."""
    if _gives_way:
        os.nice(settings.PUSH_CAMPAIGN_NICE)
