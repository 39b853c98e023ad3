"""A Celery worker that tells when it is ready and whose pool dies with it.

`python -m pushplatform.demo.worker READY_FILE CELERY_ARGUMENT...`; READY_FILE gets the process id.
"""

import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from celery.exceptions import SecurityWarning
from celery.signals import worker_process_init, worker_ready, worker_shutting_down
from celery.worker import state

from pushplatform.celery import app
from pushplatform.demo.child import die_with_parent


def main(ready_file: Path, arguments: list[str]) -> None:
    worker = os.getpid()
    warnings.simplefilter("ignore", SecurityWarning)  # root in a container is usual, and what it warns of is not used

    @worker_ready.connect(weak=False)
    def tell(**_: Any) -> None:
        ready_file.write_text(str(worker))

    @worker_process_init.connect(weak=False)
    def follow(**_: Any) -> None:
        # A pool process busy with a batch would send it to its end after a kill of the worker.
        die_with_parent(signal.SIGKILL, worker)

    @worker_shutting_down.connect(weak=False)
    def end_when_idle(**_: Any) -> None:
        # With queues in PostgreSQL an idle worker takes 5 s to close its connections. Its pool follows it.
        threading.Thread(target=_end_when_idle, daemon=True).start()

    app.worker_main(["worker", "--without-gossip", "--without-mingle", "--without-heartbeat", *arguments])


def _end_when_idle() -> None:
    while state.reserved_requests or state.active_requests:
        time.sleep(0.02)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
