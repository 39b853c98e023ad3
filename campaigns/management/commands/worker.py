import os
import sys
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

QUEUES: Final = {"campaign": "campaign,chores", "targeted": "targeted", "chores": "chores"}


class Command(BaseCommand):
    help = (
        "Runs a worker: one process more than this host has cores for campaigns, two for the lane of targeted sends. "
        "Each host runs one of each lane; workers need nothing of each other but the same database and broker. "
        "What stands after `--` goes to `celery worker`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--lane",
            choices=QUEUES,
            default="campaign",
            help="`targeted` sends what the API asks for, so that it never waits behind a campaign. `chores`: one more "
            "for freezing, sweeping and figures, which then never wait for a push service that hangs.",
        )
        parser.add_argument("--processes", type=int, help="Instead of what the lane has.")
        parser.add_argument("--name", help="Instead of the lane; a second worker of a lane on one host needs its own.")
        parser.add_argument("celery", nargs="*", help="Arguments for `celery worker`, after `--`.")

    def handle(self, *args: Any, **options: Any) -> None:
        lane = options["lane"]
        processes = usual_processes(lane) if options["processes"] is None else options["processes"]
        if processes < 1:
            raise CommandError(f"--processes must be 1 or more, not {processes}.")
        words = celery_words(lane, processes, options["name"] or lane, options["celery"])
        # In this process's place: a service manager's signals then reach Celery itself.
        os.execv(sys.executable, [sys.executable, "-m", *words])


def usual_processes(lane: str) -> int:
    """One more than cores that this process may use: while one waits for the database or its last answers, another
    computes. Targeted sends are few and seldom need a core.
    """
    if lane != "campaign":
        return {"targeted": 2, "chores": 1}[lane]
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def celery_words(lane: str, processes: int, name: str, further: list[str]) -> list[str]:
    """The words after `python -m`; what workers would tell each other is left away, nobody listens to it."""
    return [
        *("celery", "--app", "pushplatform", "worker", "--queues", QUEUES[lane], "--concurrency", str(processes)),
        *("--hostname", f"{name}@%h", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        *("--loglevel", "INFO", *further),
    ]
