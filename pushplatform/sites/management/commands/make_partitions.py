from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.utils import timezone

from pushplatform.partitions import make_partitions


class Command(BaseCommand):
    help = "Makes the partitions of this month and the three after it. Beat does the same daily."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for name in make_partitions(cursor, timezone.now()):
                self.stdout.write(name)
