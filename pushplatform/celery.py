"""The Celery app. A task carries one id and means "look at row N"; losing or doubling it changes nothing."""

import os
from datetime import timedelta

from celery import Celery
from celery.schedules import crontab

from pushplatform.schedules import Every

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")

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
        ("forget old answers", "campaigns.tasks.forget_old_answers", crontab(hour=3, minute=40), timedelta(days=1)),
        ("make partitions", "campaigns.tasks.make_partitions", crontab(hour=3, minute=20), timedelta(days=1)),
        ("reconcile", "campaigns.tasks.reconcile_finished", crontab(hour=4, minute=0), timedelta(days=1)),
    ):
        options = {"queue": "chores", "expires": (period + CLOCKS_APART).total_seconds()}
        sender.conf.beat_schedule[name] = {"task": task, "schedule": schedule, "options": options}
