"""The Celery app. A task carries one id and means "look at row N"; losing or doubling it changes nothing."""

import os
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import celeryd_init, task_postrun, task_prerun, worker_process_init
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

from pushplatform.broker import consumer_options
from pushplatform.schedules import Every

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")

TRANSPORT_ALIASES["pgmq"] = "pushplatform.pgmq_transport:Transport"

app = Celery("pushplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_routes = {"campaigns.tasks.send_batch": {"queue": "campaign"}}  # targeted ones name their own queue
app.autodiscover_tasks()

CLOCKS_APART = timedelta(minutes=1)
"""Beat's clock and a worker's may differ by so much: else every sweep would be thrown away as expired."""


@app.on_after_finalize.connect
def _schedule(sender: Celery, **_: object) -> None:
    """What beat sends, and when. Two beats do no harm; what waits for a worker too long is thrown away."""
    from django.conf import settings  # noqa: PLC0415  (when this module is imported the settings may not be there yet)

    sweep, minute = timedelta(seconds=settings.PUSH_SWEEP_SECONDS), timedelta(minutes=1)
    for name, task, schedule, period in (
        ("sweep", "campaigns.tasks.sweep", Every(sweep), sweep),
        ("roll up", "campaigns.tasks.roll_up", Every(minute), minute),
        ("work out figures", "campaigns.tasks.work_out_figures", Every(minute), minute),
        ("flush the privacy journal", "subscribers.tasks.flush_journal", Every(minute), minute),
        ("forget old answers", "campaigns.tasks.forget_old_answers", crontab(hour=3, minute=40), timedelta(days=1)),
        ("forget old minutes", "campaigns.tasks.forget_old_minutes", crontab(hour=3, minute=50), timedelta(days=1)),
        ("make partitions", "campaigns.tasks.make_partitions", crontab(hour=3, minute=20), timedelta(days=1)),
        ("measure segments", "campaigns.tasks.measure_segments", crontab(hour=2, minute=30), timedelta(days=1)),
        ("index attributes", "subscribers.tasks.index_attributes", Every(10 * minute), 10 * minute),
        ("reconcile", "campaigns.tasks.reconcile_finished", crontab(hour=4, minute=0), timedelta(days=1)),
    ):
        options = {"queue": "chores", "expires": (period + CLOCKS_APART).total_seconds()}
        sender.conf.beat_schedule[name] = {"task": task, "schedule": schedule, "options": options}


@celeryd_init.connect
def _wait_for_the_broker(conf: Any, **_: object) -> None:
    """In a worker's main process, which takes tasks."""
    conf.broker_transport_options = consumer_options(conf.broker_transport_options)


@worker_process_init.connect
def _do_not_wait_for_the_broker(**_: object) -> None:
    """In its pool processes, which only poke."""
    from django.conf import settings  # noqa: PLC0415

    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS


@task_prerun.connect
@task_postrun.connect
def _drop_broken_connections(**_: object) -> None:
    """Celery would close the database's connection before and after each task: 20 µs for each message of a Batch."""
    close_old_connections()
