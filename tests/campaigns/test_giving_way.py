"""Who comes first where cores are short."""

import os
import time
from pathlib import Path

from tests.parts.stack import Stack


def priorities(stack: Stack, name: str) -> set[int]:
    """The niceness of the pool processes of a worker."""
    worker = stack.children[name].pid
    children = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    return {os.getpriority(os.PRIO_PROCESS, int(pid)) for pid in children}


def test_processes_that_send_campaigns_give_way_to_those_that_send_order_updates(begin_stack):
    stack = begin_stack(worker=True, targeted=True, env={"PUSH_CAMPAIGN_NICE": "7"})
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    end = time.monotonic() + 60
    # Celery calls a worker ready when its pool processes are forked, before these have set themselves up.
    while priorities(stack, "worker") != {min(ours + 7, 19)} and time.monotonic() < end:
        time.sleep(0.05)
    assert priorities(stack, "worker") == {min(ours + 7, 19)}
    assert priorities(stack, "targeted") == {ours}
