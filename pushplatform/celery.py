"""The Celery app. A task carries one id and means "look at row N"; losing or doubling it changes nothing."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")

app = Celery("pushplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
