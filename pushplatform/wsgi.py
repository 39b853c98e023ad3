"""For servers that speak WSGI only; `asgi.py` is the one to prefer."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")

from django.core.wsgi import get_wsgi_application

import pushplatform.celery  # noqa: F401

application = get_wsgi_application()
