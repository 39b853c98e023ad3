from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from pushplatform.broker import pgmq_options
from pushplatform.broker_tables import install_pgmq


class Command(BaseCommand):
    help = "Makes the tables that CELERY_BROKER_URL=pgmq:// needs, in the database of DATABASE_URL. Run it once."

    def handle(self, *args: Any, **options: Any) -> None:
        made = install_pgmq(pgmq_options(settings.DATABASES["default"])["conn_string"])
        self.stdout.write("The schema pgmq was made." if made else "The schema pgmq is there already.")
