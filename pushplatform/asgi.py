"""The web process. Connections are pooled: views run in threads."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")
os.environ.setdefault("DATABASE_POOL_SIZE", "10")

from django.core.asgi import get_asgi_application

import pushplatform.celery  # noqa: F401

application = get_asgi_application()
