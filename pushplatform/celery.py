"""The Celery app. A task carries one id and means "look at row N"; losing or doubling it changes nothing."""

import os
from datetime import timedelta

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")

app = Celery("pushplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_routes = {"campaigns.tasks.send_batch": {"queue": "campaign"}}  # targeted ones name their own queue
app.autodiscover_tasks()


@app.on_after_finalize.connect
def _schedule(sender: Celery, **_: object) -> None:
    """What beat sends, and when. Two beats do no harm; what waits longer than its period is thrown away."""
    from django.conf import settings  # noqa: PLC0415  (when this module is imported the settings may not be there yet)

    sweep = timedelta(seconds=settings.PUSH_SWEEP_SECONDS)
    for name, task, schedule, period in (
        ("sweep", "campaigns.tasks.sweep", sweep, sweep),
        ("roll up", "campaigns.tasks.roll_up", timedelta(minutes=1), timedelta(minutes=1)),
        ("work out figures", "campaigns.tasks.work_out_figures", timedelta(minutes=1), timedelta(minutes=1)),
        ("forget old answers", "campaigns.tasks.forget_old_answers", crontab(hour=3, minute=40), timedelta(days=1)),
        ("make partitions", "campaigns.tasks.make_partitions", crontab(hour=3, minute=20), timedelta(days=1)),
        ("reconcile", "campaigns.tasks.reconcile_finished", crontab(hour=4, minute=0), timedelta(days=1)),
    ):
        options = {"queue": "chores", "expires": period.total_seconds()}
        sender.conf.beat_schedule[name] = {"task": task, "schedule": schedule, "options": options}
